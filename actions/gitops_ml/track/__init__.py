"""MLflow as a projection of git: each dvc.lock is one run, and repeating is free."""
