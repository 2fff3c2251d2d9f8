"""What compressing a model costs: losses side by side with intervals, bytes, speed, and the report of a folder."""
