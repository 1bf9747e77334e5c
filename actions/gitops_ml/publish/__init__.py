"""`gitops-ml publish`: from a project on a laptop to a repository on GitHub whose pull requests are built and judged."""
