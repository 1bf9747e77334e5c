"""What a pull request is told: the judgement of its candidate, carried to branch, comment and status."""
