"""The decisions: pure, each with its own `Refusal`."""
