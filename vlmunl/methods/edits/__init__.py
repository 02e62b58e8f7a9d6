"""Changes of weights without gradient steps."""
