"""`LLM_CLIENT=litellm`: the chat client over litellm."""
