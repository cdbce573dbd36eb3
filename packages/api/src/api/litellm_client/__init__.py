"""`LLM_CLIENT=litellm`: the chat client over litellm, and local models without the gateway."""
