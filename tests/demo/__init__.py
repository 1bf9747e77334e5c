"""`make demo`: a project from nothing to a served model, and two pull requests judged by its workflows. No account needed."""
