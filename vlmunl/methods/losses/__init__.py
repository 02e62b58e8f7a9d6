"""The losses themselves, by family. `vlmunl.methods.parts` names them and says what each needs."""
