"""What LiteLLM calls, and the only importers of litellm."""
