"""`gitops-ml gates selftest`: plants failures in a throw-away clone, and shows which check of the real gate stops each."""
