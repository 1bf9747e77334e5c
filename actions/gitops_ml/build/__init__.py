"""CI is the builder of record: what must be built, the build, its seal by digest, and the predictions of both models."""
