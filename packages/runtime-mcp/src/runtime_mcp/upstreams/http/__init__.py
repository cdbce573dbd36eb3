"""MCP servers over streamable HTTP."""
