"""The base model as an input: where it lies, and what its bytes are."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from vlmunl.manifests.study import Study
from vlmunl.stage_types import External


def base_model(study: Study, workspace: Path) -> External:
    """The study's base model; its directory is hashed once per process.

    Raises:
        MissingInput: the model is not on this machine; the hint says how to get it.
    """
    from vlmunl.models.locate import locate

    return _hashed(locate(study.model.id, study.model.revision, workspace))


@lru_cache(maxsize=8)
def _hashed(path: Path) -> External:
    from vlmunl.store.tree import tree_ref_of_directory

    return External(ref=tree_ref_of_directory(path), path=path)
