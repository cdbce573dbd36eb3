"""The routes: parse, hand over, return."""
