"""Who may do what: a realm, an authorisation model, and what puts both into the real servers.

`load` and what it imports use the standard library alone: Compose runs it in a bare Python image.
"""
