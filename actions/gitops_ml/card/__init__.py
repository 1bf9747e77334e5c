"""The model card: what was measured, from files with digests, and what people answered; unknown stays unknown."""
