"""Push and pull the small study in a process of its own: ROOT (its workspace) ELSEWHERE (an empty one) ENDPOINT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import huggingface_hub

from tests.trail.fake_stages import FAKES
from vlmunl.hub.client import Hub
from vlmunl.hub.preflight import Wishes
from vlmunl.hub.pull import pull
from vlmunl.hub.push import Options, Push
from vlmunl.hub.study import published_study
from vlmunl.manifests.load import load_study
from vlmunl.manifests.plan import plan
from vlmunl.stage import External
from vlmunl.stages.declared import STAGES
from vlmunl.store import Store, tree_ref_of_directory
from vlmunl.workspace import Workspace


def main(root: Path, other: Path, endpoint: str) -> None:
    base = External(ref=tree_ref_of_directory(root / "base"), path=root / "base")
    planned = plan(load_study(root / "manifests" / "small.toml"), base, stages={**STAGES, **FAKES})
    store, hub = Store.open(root / "store"), Hub(repo="lab/study", endpoint=endpoint, token=huggingface_hub.get_token())
    what = published_study(planned, store, Workspace(root=root), hub.repo)
    outcomes = [
        Push(publication=what, hub=hub, store=store, options=Options(wishes=Wishes(create=True))).run() for _ in "ab"
    ]
    (other / "manifests").mkdir(parents=True)
    done = pull(hub, Store.open(other / "store"), Workspace(root=other), None, lambda done, total: None)
    told = {
        "library": huggingface_hub.__version__,
        "made": [outcome.made_commit for outcome in outcomes],
        "transport": outcomes[0].transport,
        "records": done.new_records,
    }
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
