"""<<cookiecutter.package_name>>: prepare the table, train the model, evaluate it, score with it, serve it."""

MODEL = "<<cookiecutter.project_slug>>"
