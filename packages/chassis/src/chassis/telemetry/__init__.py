"""Spans, their export, and bounded metrics."""
