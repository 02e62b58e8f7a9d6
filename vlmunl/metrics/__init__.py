"""Worst-case counterfactual recovery (WCR) and its statistics. Importing this loads nothing."""
