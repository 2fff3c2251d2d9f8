"""How work that goes on looks at the terminal."""
