"""`gitops-ml preview`: what a pull request would say, which version it would make, what would start: before it is pushed."""
