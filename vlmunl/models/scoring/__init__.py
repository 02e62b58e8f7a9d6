"""The parts of `vlmunl.models.score`: what is asked, reading prompts, likelihoods, and ways to draw a reply."""
