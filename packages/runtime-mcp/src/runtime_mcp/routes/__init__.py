"""The HTTP routes beside MCP's own."""
