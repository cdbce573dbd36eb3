"""em-runtime-mcp: the one door through which agents call tools."""
