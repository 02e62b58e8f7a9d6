"""From verified results to tables, figures, number macros and claims; matplotlib is imported inside functions."""
