"""Gradient rules: how the gradients of what to forget and what to keep become one update.

`vlmunl.methods.declared.rules` names them.
"""
