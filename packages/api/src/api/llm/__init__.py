"""The service helper: every call to a model goes through here."""
