"""The record of every tool call: an intent before it, an outcome after, a chain through all."""
