"""Keeps a project current: what a newer template changed is merged into what the team made of the older one."""
