"""A model that others can talk to over HTTP, as OpenAI's clients do; `nanochat serve` starts it."""
