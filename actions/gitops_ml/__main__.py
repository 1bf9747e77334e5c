"""`python -m gitops_ml` is the command `gitops-ml`."""

from gitops_ml.cli import main

if __name__ == "__main__":
    main()
