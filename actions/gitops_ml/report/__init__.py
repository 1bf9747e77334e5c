"""One Markdown report from evidence files: what a person reads under a pull request. Pure functions of values."""
