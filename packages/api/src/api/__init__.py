"""LLM access for a solution: every call goes to the gateway, on the account of a project."""

NAME = "llm-access"
"""The program's, in the headers of its gateway, and of its calls unless SOLUTION is set."""
TITLE = "LLM Access"
