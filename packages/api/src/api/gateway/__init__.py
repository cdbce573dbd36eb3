"""The LiteLLM gateway as a peer."""
