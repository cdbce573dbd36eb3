"""The way of a tool call."""
