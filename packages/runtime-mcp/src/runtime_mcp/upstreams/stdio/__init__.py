"""MCP servers that are processes of ours, over their pipes."""
