"""Whatever is read back from disk (records, manifests, results, claims, the store's layout) is read or refused."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.mutate import HOSTILE, Case, cases, json_bytes, json_cases, torn
from tests.keys import pretend
from tests.keys.reach import STUDY
from tests.latex import synthetic
from vlmunl.errors import StoreDamaged, UsageError, VlmunlError
from vlmunl.keys import canonical, digest_bytes
from vlmunl.latex.read import read_results
from vlmunl.latex.terminal import notes, render
from vlmunl.manifests.plan import plan
from vlmunl.manifests.states import Board
from vlmunl.metrics.evidence import read_evidence
from vlmunl.store import Record, RecordName, Ref, Store
from vlmunl.store.claims import Claims
from vlmunl.store.records import dump, parse
from vlmunl.store.tree import TreeEntry, decode, encode

LONGEST = 1000


def survive(case: Case, read: Callable[[], Any], *, code: int | None = None) -> bool:
    """True if it was read; else it was refused by an error of ours, in one printable line."""
    refused: VlmunlError | None = None
    try:
        read()
    except VlmunlError as error:
        refused = error
    except Exception as error:
        raise AssertionError(f"{case.label}: {type(error).__name__}: {str(error)[:200]}") from error
    if refused is not None:
        said = str(refused)
        assert said.isprintable(), f"{case.label}: {said[:300]!r}"
        assert len(said) < LONGEST, f"{case.label}: {len(said)} characters"
        assert code in (None, refused.exit_code), f"{case.label}: {said}"
    return refused is None


def record() -> Record:
    ref = Ref.of(digest_bytes(b"x"))
    from vlmunl.keys import run_key

    params, inputs = (
        {"seed": 0, "optim": {"lr": 0.1, "steps": 3}},
        {"base": replace(ref, kind="tree"), "benchmark": ref},
    )
    return Record(
        key=run_key("imprint", 1, params, inputs),
        cell="imprint/gold/seed0",
        stage="imprint",
        stage_version=1,
        params=params,
        inputs=inputs,
        outcome="ok",
        outputs={"adapter": replace(ref, kind="tree"), "curve": ref},
        metrics={"steps": 3, "final_nll": 0.5, "nested": {"a": [1, 2, None]}},
        env={"host": "h", "wall_s": 1.5, "versions": {"python": "3"}},
    )


def test_a_record_is_what_its_name_says_or_damaged():
    name, data = dump(record())
    sound = json.loads(data)
    for case in json_cases(sound, cases(600, 10_000), seed=1):
        read = survive(case, lambda case=case: parse(case.data, name, "records/ab/x.json"), code=5)
        if read:  # then what counts is what was written
            assert parse(case.data, name, "x").name == name, case.label


def test_a_records_fields_are_refused_one_by_one():
    for case in json_cases(record().to_json(), cases(600, 10_000), seed=2):
        try:
            Record.from_json(json.loads(case.data))
        except (ValueError, RecursionError):
            continue
        except Exception as error:
            raise AssertionError(f"{case.label}: {type(error).__name__}: {str(error)[:200]}") from error


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(STUDY)
    board = pretend.Settled(plan(pretend.study(path), pretend.BASE), {})
    return json.loads(board.manifest())


def test_a_run_manifest_is_read_or_refused(tmp_path, manifest):
    path, taken = tmp_path / "run_manifest.json", 0
    for case in json_cases(manifest, cases(200, 10_000), seed=3):
        path.write_bytes(case.data)

        def read() -> None:
            evidence = read_evidence(path)
            evidence.counts(), evidence.missing(), evidence.steps("ga", (0, 1))
            [(evidence.status(name), evidence.reason(name)) for name in evidence.cells]

        taken += survive(case, read)
    assert taken > 20, "the mutations are too wild to reach what lies deeper"


def test_verified_results_are_read_or_refused(tmp_path):
    path, taken = tmp_path / "verified_results.json", 0
    for case in json_cases(synthetic.results(), cases(200, 10_000), seed=4):
        path.write_bytes(case.data)

        def read() -> None:
            results = read_results(path)
            render(results), notes(results)

        taken += survive(case, read)
    assert taken > 20, "the mutations are too wild to reach what lies deeper"


def test_a_layout_is_known_or_refused(tmp_path):
    Store.open(tmp_path)
    marker = tmp_path / "LAYOUT.json"
    for case in json_cases(json.loads(marker.read_bytes()), cases(200, 2000), seed=5):
        marker.write_bytes(case.data)
        survive(case, lambda: Store.open(tmp_path, create=False), code=2)


def test_a_claim_is_believed_or_passed_over(tmp_path):
    store = Store.open(tmp_path)
    with store.claim("ab" * 16):
        (path,) = (tmp_path / "claims").iterdir()
        sound = json.loads(path.read_bytes())
    for case in json_cases(sound, cases(200, 2000), seed=6):
        path.write_bytes(case.data)
        survive(case, lambda: (Claims(tmp_path / "claims").live(), store.running(), store.claimed("ab" * 16)))


def test_a_tree_listing_is_read_or_refused():
    digests = [digest_bytes(text) for text in (b"1", b"2")]
    listing = encode(TreeEntry(path=p, **vars(d)) for p, d in zip(("a/b", "c"), digests, strict=True))
    for case in json_cases(json.loads(listing), cases(300, 5000), seed=7, write=json_bytes):
        try:
            entries = decode(case.data)
        except ValueError:
            continue
        except Exception as error:
            raise AssertionError(f"{case.label}: {type(error).__name__}: {str(error)[:200]}") from error
        for entry in entries:
            assert not Path(entry.path).is_absolute(), case.label
            assert ".." not in Path(entry.path).parts, case.label


def test_a_file_name_is_a_records_or_not():
    good = record().name.file
    for i in range(cases(300, 5000)):
        rng = random.Random(f"name/{i}")
        text = torn(rng, good.encode(), (good.encode(),)).decode(errors="replace")
        found = RecordName.parse(text)
        assert found is None or found.file == text


# ----------------------------------------------------------- records that are sound, and say strange things


@pytest.fixture
def board_of(tmp_path):
    """A board on a store that holds one strange record for a cell, with the right key."""
    (tmp_path / "s.toml").write_text(STUDY)
    planned = plan(pretend.study(tmp_path / "s.toml"), pretend.BASE)

    def settle(**strange: Any) -> Board:
        sound = pretend.Pretended.best

        class Strange(pretend.Pretended):
            def best(self, key: str) -> Record | None:
                found = sound(self, key)
                assert found is not None
                return replace(found, **strange)

        board = object.__new__(pretend.Settled)
        board.wrote = {}
        Board.__init__(board, planned, Strange())
        return board

    return settle


def test_strange_measurements_of_a_gate_are_refused_by_name(board_of):
    for case in json_cases(pretend.PASSING, cases(80, 3000), seed=8):
        try:
            metrics = json.loads(case.data)
            canonical(metrics)
        except (ValueError, RecursionError):
            continue  # such a record cannot be written
        if isinstance(metrics, dict):
            survive(case, lambda metrics=metrics: board_of(metrics=metrics).manifest(), code=5)


def test_a_record_without_an_output_that_its_stage_declares_is_damage(board_of):
    with pytest.raises(StoreDamaged, match="names no output"):
        board_of(outputs={})


@pytest.mark.parametrize("value", [v for v in HOSTILE if isinstance(v, dict | list | str)])
def test_a_store_is_no_store_when_its_root_is_something_else(tmp_path, value):
    (tmp_path / "LAYOUT.json").write_bytes(json_bytes(value))
    with pytest.raises(UsageError):
        Store.open(tmp_path)
