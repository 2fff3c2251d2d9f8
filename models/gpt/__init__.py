"""The transformer decoder, any member of one configuration space."""
