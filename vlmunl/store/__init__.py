"""The artifact store: content-addressed objects and immutable run records."""

from vlmunl.store.records import Outcome, Record, RecordName
from vlmunl.store.ref import Kind, Ref
from vlmunl.store.store import Store
from vlmunl.store.tree import TreeEntry, tree_ref_of_directory

__all__ = ["Kind", "Outcome", "Record", "RecordName", "Ref", "Store", "TreeEntry", "tree_ref_of_directory"]
