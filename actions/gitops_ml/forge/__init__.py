"""Git plumbing and the GitHub REST API: the only place that talks to GitHub."""
