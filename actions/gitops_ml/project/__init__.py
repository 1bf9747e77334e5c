"""The project as a whole: its first run, a run of its pipeline, and what it looks like now."""
