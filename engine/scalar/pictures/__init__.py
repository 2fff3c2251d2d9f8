"""A formula to a graph of Values, a graph to Mermaid, DOT or SVG."""
