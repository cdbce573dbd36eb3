"""What this gateway adds to LiteLLM: who may call, which models, on whose account, for how much."""

HEADER_PREFIX = "x-llm-access-"
"""Of what an answer says beside LiteLLM's own headers."""
