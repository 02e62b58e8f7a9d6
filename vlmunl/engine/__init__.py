"""Runs the missing cells of a plan in worker processes."""
