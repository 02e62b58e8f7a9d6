"""One pure function per stage; `declared` names them without importing any of them."""
