"""What stands around a model when it is asked, by kind. `vlmunl.methods.parts` names them and says what each does.

The weights that hold the knowledge stay as they are: whoever has them can take the wrapper off.
"""
