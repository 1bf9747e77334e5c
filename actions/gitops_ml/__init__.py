"""gitops-ml: the machinery of a GitOps machine-learning repository."""

__version__ = "0.1.0"
