"""State that several replicas share, in Redis."""
