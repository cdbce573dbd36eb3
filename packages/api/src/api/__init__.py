"""LLM access for a solution: every call goes to the gateway, on the account of a project."""
