"""Results as Markdown, figures and sentences."""
