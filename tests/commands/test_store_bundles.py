"""`vlmunl store export` and `import`: a study that was finished here is finished there, without running a cell."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from vlmunl.errors import MissingInput, StoreDamaged, UsageError


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """Where the first test leaves the finished workspace for the others."""
    return tmp_path_factory.mktemp("once") / "space"


@pytest.fixture
def exported(start, space, calls, once):
    """The toy study, run, and its export."""
    if not once.exists():
        for args in (("run", "toy"), ("store", "export", "toy", "--out", "toy.tar")):
            process = start(*args)
            said = process.communicate(timeout=300)
            assert process.returncode == 0, said
        assert hashlib.sha256((space / "toy.tar").read_bytes()).hexdigest() in said[0]
        calls()
        shutil.copytree(space, once)
    shutil.copytree(once, space, dirs_exist_ok=True)
    return space / "toy.tar"


@pytest.fixture
def elsewhere(space, tmp_path_factory, monkeypatch):
    """An empty workspace of another cluster, with the base model."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "base").mkdir()
    (folder / "base" / "config.json").write_text("{}")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VLMUNL_WORKSPACE", str(folder))
    return folder


def test_after_an_import_everything_is_verified_and_no_cell_runs(exported, elsewhere, space, cli, calls):
    bundle = exported
    code, out, _ = cli("store", "import", str(bundle), "--dry-run")
    assert (code, list(elsewhere.iterdir())) == (0, [elsewhere / "base"])
    assert " new " in out
    assert "would be added" in out
    code, out, _ = cli("store", "import", str(bundle))
    assert (code, "next: vlmunl status toy" in out) == (0, True)
    code, out, _ = cli("status", "toy", "--json")
    assert code == 0
    assert {cell["state"] for cell in json.loads(out)["cells"]} == {"verified"}
    code, out, _ = cli("run", "toy")
    assert (code, calls()) == (0, [])
    assert "no cell ran" in out
    for path in ("manifests/toy.toml", *(f"manifests/toy/{p.name}" for p in (space / "manifests/toy").iterdir())):
        assert (elsewhere / path).read_bytes() == (space / path).read_bytes()
    code, out, _ = cli("store", "import", str(bundle), "--json")
    assert (code, json.loads(out)["objects"]["new"]) == (0, 0)
    code, out, _ = cli("store", "export", "toy", "--out", "again.tar")
    assert (code, (elsewhere / "again.tar").read_bytes()) == (0, bundle.read_bytes())


def test_one_result_brings_its_own_line_of_descent(exported, elsewhere, space, cli):
    args = ("--workspace", str(space), "store", "export", "unlearn/ga/seed0", "--out", str(space / "one.tar"))
    code, out, _ = cli(*args, "--dry-run", "--json")
    assert (code, json.loads(out)["records"]) == (0, 3)
    assert not (space / "one.tar").exists()
    assert cli(*args)[0] == 0
    code, out, _ = cli("store", "import", str(space / "one.tar"), "--json")
    cells = {record["cell"] for record in json.loads(out)["records"]}
    assert (code, cells) == (0, {"data", "imprint/imprint/seed0", "unlearn/ga/seed0"})
    assert json.loads(out)["studies"] == []


def test_a_study_file_that_says_something_else_is_not_overwritten(exported, elsewhere, cli):
    bundle = exported
    (elsewhere / "manifests").mkdir()
    (elsewhere / "manifests" / "toy.toml").write_text("mine")
    with pytest.raises(UsageError, match="says something else"):
        raise_from(cli, "store", "import", str(bundle))
    assert (elsewhere / "manifests" / "toy.toml").read_text() == "mine"
    assert not list(elsewhere.glob("store/records/*"))
    assert cli("store", "import", str(bundle), "--store-only")[0] == 0
    assert len(list(elsewhere.glob("store/records/*/*"))) == 30


def raise_from(cli, *args):
    """Call the command; a failure as the exception of its exit code."""
    code, _, err = cli(*args)
    kinds = {1: MissingInput, 2: UsageError, 5: StoreDamaged}
    if code:
        raise kinds[code](err)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("export", "toi", "--out", "x.tar"), 1, "no study in"),
        (("export", "abcdef", "--out", "x.tar"), 1, "no study in"),
        (("export", "toy", "--out", "x.tar"), 1, "no cell of toy is done"),
        (("import", "nowhere.tar"), 1, "cannot read nowhere.tar"),
        (("import", "manifests/toy.toml"), 2, "is not an export"),
        (("import", "manifests"), 1, "Is a directory"),
    ],
)
def test_mistakes_are_named_in_one_line(args, code, said, space, cli):
    found, _, err = cli("store", *args)
    assert (found, said in err) == (code, True), err
    assert len(err.splitlines()) <= 2
    assert not list(space.glob("store/objects/*/*"))


def test_a_cut_export_is_refused(exported, elsewhere, cli):
    bundle = exported
    (elsewhere / "cut.tar").write_bytes(bundle.read_bytes()[:-700])
    code, _, err = cli("store", "import", "cut.tar")
    assert (code, "is damaged" in err, len(err.splitlines())) == (5, True, 2)
    assert not (elsewhere / "manifests").exists()
