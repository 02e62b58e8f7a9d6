"""Bringing a published study to another machine: all of it or nothing, and not one byte believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from publishing import client, contents, elsewhere, published, put
from server import Hub

from vlmunl.hub.pull import pull

pytestmark = pytest.mark.hub


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


def test_a_pulled_study_is_as_on_the_machine_that_published_it(hub: Hub, finished, tmp_path: Path) -> None:
    what = published(finished)
    oid = put(hub, what)
    store, space = elsewhere(tmp_path / "there", finished)
    done = pull(client(hub, what.tag), store, space, None, quiet)
    assert (done.commit, done.study) == (oid, "small")
    there, here = contents(space.manifests), contents(finished.workspace.manifests)
    assert there == here
    assert contents(space.generated("small")) == contents(finished.workspace.generated("small"))
    assert list((store.root / "tmp").iterdir()) == []
    assert list((store.root / "claims").iterdir()) == []
    again = pull(client(hub), store, space, "small", quiet)
    assert (again.new_objects, again.new_records, again.written) == (0, 0, ())
