"""Training in phases: read, then learn to answer."""
