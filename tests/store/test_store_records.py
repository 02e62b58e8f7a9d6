"""Records: immutable, named by key and result, and held against their names."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from vlmunl.errors import StoreDamaged
from vlmunl.keys import digest_bytes, run_key
from vlmunl.store import Record, RecordName, Ref, Store
from vlmunl.store.records import dump, parse


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def made(seed: int = 0, **more: Any) -> Record:
    params = {"seed": seed}
    fields: dict[str, Any] = {"outcome": "ok", "metrics": {"loss": 0.5}} | more
    return Record(
        key=run_key("toy", 1, params, {}),
        cell=f"toy/{seed}",
        stage="toy",
        stage_version=1,
        params=params,
        inputs={},
        **fields,
    )


def test_a_record_round_trip(store: Store) -> None:
    record = made(outputs={"rows": store.put_bytes(b"rows")}, env={"host": "a"})
    path = store.write_record(record)
    assert path.name == record.name.file
    fresh = Store.open(store.root)
    assert fresh.best(record.key) == record == fresh.load(record.name)
    assert list(fresh.records()) == fresh.names(record.key) == [record.name]
    text = path.read_text()
    assert text == json.dumps(json.loads(text), sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def test_a_record_name_golden_vector() -> None:
    record = made()
    assert record.name.file == "8605ff5cc5d53ec8f9baeca642dfb28f.ok.67c70c7053dcdfb1.json"
    assert RecordName.parse(record.name.file) == record.name
    for file in ("x", record.name.file + "~", record.name.file.replace("ok", "maybe"), "." + record.name.file):
        assert RecordName.parse(file) is None


def test_the_name_follows_the_result_and_not_the_circumstances() -> None:
    record = made()
    assert dataclasses.replace(record, env={"host": "b"}, cell="other").name == record.name
    for change in ({"metrics": {"loss": 0.6}}, {"outputs": {"a": Ref.of(digest_bytes(b""))}}, {"error": "x"}):
        assert dataclasses.replace(record, **change).name.address != record.name.address


def test_a_record_comes_after_its_outputs(store: Store) -> None:
    with pytest.raises(StoreDamaged, match="is not in the store"):
        store.write_record(made(outputs={"rows": Ref.of(digest_bytes(b"never put"))}))
    assert list(store.records()) == []


def test_a_record_whose_key_does_not_follow_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="does not follow"):
        store.write_record(dataclasses.replace(made(), params={"seed": 1}))
    with pytest.raises(ValueError, match="no canonical form"):
        store.write_record(made(metrics={"loss": float("nan")}))


def test_writing_again_keeps_the_first_file(store: Store) -> None:
    path = store.write_record(made(env={"host": "a"}))
    before = path.read_bytes(), path.stat().st_ino
    store.write_record(made(env={"host": "b"}))
    assert (path.read_bytes(), path.stat().st_ino) == before


def test_divergent_results_are_both_kept_and_one_choice_is_made(store: Store) -> None:
    records = [made(metrics={"loss": loss}) for loss in (0.5, 0.6, 0.7)]
    assert not store.divergent(records[0].key)
    for record in records:
        store.write_record(record)
    assert store.divergent(records[0].key)
    assert len(store.names(records[0].key)) == 3
    lowest = min(records, key=lambda r: r.name.address)
    assert store.best(lowest.key) == Store.open(store.root).best(lowest.key) == lowest


def test_errors_are_records_but_never_stand_for_a_key(store: Store) -> None:
    failed = made(outcome="error", metrics={}, error="boom")
    store.write_record(failed)
    assert store.best(failed.key) is None
    assert store.all_for(failed.key) == [failed]
    store.write_record(made())
    assert store.best(failed.key) == made()
    assert [r.outcome for r in store.all_for(failed.key)] == ["ok", "error"]
    assert not store.divergent(failed.key)


def damages(data: bytes) -> dict[str, bytes]:
    document = json.loads(data)
    return {
        "empty": b"",
        "truncated": data[: len(data) // 2],
        "not json": b"\xff" + data,
        "metrics changed": json.dumps(document | {"metrics": {"loss": 0.1}}).encode(),
        "params changed": json.dumps(document | {"params": {"seed": 9}}).encode(),
        "field missing": json.dumps({k: v for k, v in document.items() if k != "env"}).encode(),
        "field added": json.dumps(document | {"more": 1}).encode(),
        "wrong type": json.dumps(document | {"env": []}).encode(),
        "bad reference": json.dumps(document | {"outputs": {"a": {"xxh3": "../x"}}}).encode(),
        "nan": json.dumps(document | {"metrics": {"loss": float("nan")}}).encode(),
        "other schema": json.dumps(document | {"schema": 2}).encode(),
        "deep": b"[" * 200_000,
    }


@pytest.mark.parametrize("damage", list(damages(b"{}")))
def test_a_damaged_record_is_never_used_and_is_replaced(store: Store, damage: str) -> None:
    record = made()
    path = store.write_record(record)
    path.chmod(0o600)
    path.write_bytes(damages(path.read_bytes())[damage])
    fresh = Store.open(store.root)
    assert fresh.best(record.key) is None
    assert fresh.all_for(record.key) == fresh.history("toy") == []
    assert list(fresh.damaged()) == [str(path)]
    with pytest.raises(StoreDamaged, match="damaged"):
        fresh.load(record.name)
    fresh.write_record(record)
    assert fresh.best(record.key) == record
    assert fresh.damaged() == {}


def test_a_record_whose_output_is_gone_does_not_stand(store: Store) -> None:
    record = made(outputs={"rows": store.put_bytes(b"rows")})
    store.write_record(record)
    store.path(record.outputs["rows"]).unlink()
    assert store.best(record.key) is None


def test_a_listing_is_remembered_until_refresh(store: Store) -> None:
    record = made()
    assert store.best(record.key) is None
    Store.open(store.root).write_record(record)
    assert store.best(record.key) is None
    store.refresh(record.key)
    assert store.best(record.key) == record
    (store.root / "records" / record.key[:2] / record.name.file).unlink()
    store.refresh()
    assert store.best(record.key) is None


def test_history_is_by_stage_and_cell(store: Store) -> None:
    for seed in range(5):
        store.write_record(made(seed))
    assert len(store.history("toy")) == 5
    assert [r.cell for r in store.history("toy", "toy/3")] == ["toy/3"]
    assert store.history("other") == []


def test_merging_two_stores_is_copying_files(tmp_path: Path) -> None:
    one, two = Store.open(tmp_path / "one"), Store.open(tmp_path / "two")
    one.write_record(made(0))
    two.write_record(made(1))
    for path in (two.root / "records").glob("*/*.json"):
        (one.root / "records" / path.parent.name).mkdir(exist_ok=True)
        (one.root / "records" / path.parent.name / path.name).write_bytes(path.read_bytes())
    one.refresh()
    assert {r.cell for r in one.history("toy")} == {"toy/0", "toy/1"}


def test_many_records_are_read_quickly(store: Store) -> None:
    for seed in range(1000):
        name, data = dump(made(seed))
        path = store.root / "records" / name.key[:2] / name.file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    started = time.process_time()
    assert len(Store.open(store.root).history("toy")) == 1000
    assert time.process_time() - started < 2.0


def test_no_byte_of_a_record_can_change_unseen(store: Store) -> None:
    """Its name says nothing of where and when, nor of its label; the seal does."""
    name, data = dump(made(env={"host": "a", "wall_s": 1.25}))
    whole = parse(data, name, "x").to_json()
    for at in range(len(data)):
        for bit in (0, 5):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            try:
                assert parse(bytes(changed), name, "x").to_json() == whole  # a blank between two fields
            except StoreDamaged:
                continue
            assert data[at : at + 1].isspace() or changed[at : at + 1].isspace()


def test_a_record_from_before_there_were_seals_is_read(store: Store) -> None:
    name, data = dump(made())
    document = json.loads(data)
    del document["seal"]
    assert parse(json.dumps(document).encode(), name, "x") == parse(data, name, "x")
