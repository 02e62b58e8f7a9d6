"""How gradients are combined, one module per rule."""
