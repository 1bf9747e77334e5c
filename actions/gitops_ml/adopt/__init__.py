"""A table becomes a project's data contract; and what a person asks about that contract and its data."""
