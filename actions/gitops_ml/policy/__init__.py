"""The reviewers' room: what policy.yaml says, what it protects, and where a person overrides it."""
