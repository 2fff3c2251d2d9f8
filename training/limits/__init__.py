"""What stops a run, before it begins and while it lasts."""
