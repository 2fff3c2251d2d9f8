"""A trained model at work: load, sample, generate."""
