"""A Langfuse for a laptop and for the tests: takes traces over OTLP, keeps some, shows them."""
