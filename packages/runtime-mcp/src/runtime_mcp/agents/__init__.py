"""Which agent calls."""
