"""Whether a run or a configuration is sound: laws, one after the other, each with its number."""
