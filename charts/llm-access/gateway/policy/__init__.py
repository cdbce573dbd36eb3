"""What this gateway adds to LiteLLM: who may call, which models, on whose account, for how much."""
