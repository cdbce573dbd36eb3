"""The MCP servers behind the gateway: which there are, what they offer, how they are called."""
