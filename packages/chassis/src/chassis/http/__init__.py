"""HTTP middleware, request bodies and responses of peers."""
