"""The course: lessons, and laws that judge a student's own code. Asked by the command line alone."""
