"""Tickets for an `EventSource`, which cannot send a token."""
