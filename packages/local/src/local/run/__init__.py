"""Starts the gateway and what is around it on this machine, and ends it all."""
