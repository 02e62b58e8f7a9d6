"""Edits: changes of weights without a gradient step. `vlmunl.methods.declared.edits` names them."""
