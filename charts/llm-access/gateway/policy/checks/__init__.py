"""What is looked at before anything starts: LiteLLM ignores most mistakes in its config."""
