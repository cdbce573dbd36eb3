"""A stream is opened before its response."""
