"""em-runtime-mcp: the tool gateway, through which agents call their tools."""
