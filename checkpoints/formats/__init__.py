"""Named arrays in one file, by its ending, and what earlier versions wrote."""
