"""Models: trained, drawn from, talked with, measured, reported."""
