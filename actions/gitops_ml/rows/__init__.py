"""Questions to rows of a table that adoption, profile and gate all ask."""
