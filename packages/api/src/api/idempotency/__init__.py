"""`Idempotency-Key`: a call is made and paid for once."""
