"""What makes the LiteLLM gateway run on a laptop: a small local LLM, fault models, the runner."""
