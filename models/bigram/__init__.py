"""The smallest language model: the next token from the last one alone."""
