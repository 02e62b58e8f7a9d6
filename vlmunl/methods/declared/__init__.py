"""The declared methods, by family, and the parts they are made of. No torch."""
