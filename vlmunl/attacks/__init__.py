"""Attacks: what is done to a model before it is asked again (routes of the tiers T3 to T5)."""
