"""Spans for Langfuse, and traces read back from it."""
