"""The reference pages: current, complete, and what they say of studies is what the loader does."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from vlmunl.cluster import ledger
from vlmunl.hub import receipts
from vlmunl.manifests import shipped
from vlmunl.manifests.meanings import MEANINGS
from vlmunl.reference import cli, codes, files, study
from vlmunl.reference.__main__ import main
from vlmunl.reference.pages import PAGES, stale, with_block
from vlmunl.reference.tables import tables
from vlmunl.store import Store, doing, partial

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads(study.schema())


def test_the_pages_are_current() -> None:
    old = [str(path.relative_to(ROOT)) for path in stale(ROOT / "docs")]
    assert not old, "write them anew: python -m vlmunl.reference"


def call(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    """`python -m vlmunl.reference ARGS` in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["reference", *args])
    return main()


def test_the_command_checks_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "vlmunl.reference.pages.PAGES", few := {name: PAGES[name] for name in ("methods.md", "reference/files.md")}
    )
    (tmp_path / "models.md").write_text("a\n<!-- models:begin -->\nold\n<!-- models:end -->\nb\n")
    assert call(monkeypatch, str(tmp_path), "--check") == 1
    assert not (tmp_path / "methods.md").exists()
    assert call(monkeypatch, str(tmp_path)) == 0
    assert call(monkeypatch, str(tmp_path), "--check") == 0
    assert capsys.readouterr().out.count("written: ") == len(few) + 1
    with pytest.raises(ValueError, match="no block"):
        with_block("a", "models", "b")


def test_every_key_has_a_meaning_and_every_meaning_a_key() -> None:
    found = {table.path: {key.name for key in table.keys} for table in tables()}
    assert {path: set(keys) for path, keys in MEANINGS.items()} == found, "vlmunl/manifests/meanings.py"


def test_every_command_and_option_is_on_its_page() -> None:
    from typer.main import get_command

    from vlmunl.commands.app import app

    text = cli.page()
    for path, command in cli.commands(get_command(app)):
        section = text.partition(f"\n## {' '.join(path)}\n")[2].partition("\n## ")[0]
        assert section, path
        for param in command.params:
            names = param.opts if param.param_type_name == "option" else [param.metavar or param.name.upper()]
            assert param.hidden or all(name in section for name in names), (path, names)
        assert all(line in section for line in (command.epilog or "").splitlines() if line.startswith("$ "))


def test_a_page_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = cli.page()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERMINAL_WIDTH", "40")
    assert cli.page() == wide


def test_every_exit_code_of_an_error_is_listed() -> None:
    from vlmunl import errors

    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", codes.page(), re.MULTILINE)}
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.VlmunlError)]
    assert {kind.exit_code for kind in kinds} | {0, 130} == listed


def test_what_a_new_store_holds_is_described(tmp_path: Path) -> None:
    Store.open(tmp_path / "store", create=True)
    made = {f"{p.name}/" if p.is_dir() else p.name for p in (tmp_path / "store").iterdir()}
    made |= {f"{module.FOLDER}/" for module in (doing, partial, ledger, receipts)}
    assert made == set(files.STORE)


# --------------------------------------------------------------------------- the schema for editors


def complaints(value: Any, schema: Mapping[str, Any], at: str = "$") -> Iterator[str]:
    """What is wrong by the part of JSON Schema that the file uses; another keyword is a complaint, too."""
    known = {"$schema", "title", "type", "required", "additionalProperties", "properties", "description", "default"}
    known |= {"enum", "anyOf", "items", "pattern", "minItems", "maxItems"}
    known |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    if strange := set(schema) - known:
        yield f"{at}: the schema has {strange}"
    if "anyOf" in schema and all(any(complaints(value, one, at)) for one in schema["anyOf"]):
        yield f"{at}: none of several"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not in {schema['enum']}"
    types: dict[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    types["number"] = (int, float)
    kind = schema.get("type")
    if kind and (not isinstance(value, types[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{at}: {value!r} is no {kind}"
        return
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: {value!r} does not match"
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        above, below = schema.get("exclusiveMinimum", value - 1), schema.get("exclusiveMaximum", value + 1)
        if not (low <= value <= high and above < value < below):
            yield f"{at}: {value} is out of range"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{at}: a list of {len(value)}"
        for i, entry in enumerate(value):
            yield from complaints(entry, schema.get("items", {}), f"{at}[{i}]")
    if isinstance(value, dict):
        yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
        rest = schema.get("additionalProperties", {})
        for name, entry in value.items():
            one = schema.get("properties", {}).get(name, rest)
            if one is False:
                yield f"{at}: {name} is not known"
            else:
                yield from complaints(entry, one, f"{at}.{name}")


@pytest.mark.parametrize("name", shipped.names())
def test_shipped_studies_are_as_the_schema_says(name: str) -> None:
    assert not list(complaints(tomllib.loads(shipped.text(name)), SCHEMA))


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("[study]\nname = 's'\nseeds = []", "a list of 0"),
        ("[study]\nname = 'S'\nseeds = [0]", "does not match"),
        ("[study]\nname = 's'\nseeds = [0]\ntitel = ''", "titel is not known"),
        ("[model]\nid = 'tiny'\nquantize = '3bit'", "is not in"),
        ("[gate]\nheadroom = 1.5", "out of range"),
        ("[imprint]\nlr = 0.0", "out of range"),
        ("[imprint]\nmicro_batch = 'all'", "none of several"),
        ("[[imprint.override]]\nroles = ['gold']", "seed is missing"),
        ("[methods.npo]\nbeta = 'x'", "no number"),
        ("[methods.npo]\nstop = { patience = 0 }", "out of range"),
        ("[claims.a]\ntext = 'b'", "when is missing"),
        ("[rout]", "rout is not known"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(written: str, complaint: str, tmp_path: Path) -> None:
    from vlmunl.errors import StudyError
    from vlmunl.manifests.load import load_study

    base = {"study": "name = 's'\nseeds = [0]", "model": "id = 'tiny'", "methods.npo": ""}
    table = written.partition("]")[0].strip("[")
    text = "\n".join(f"[{name}]\n{keys}" for name, keys in base.items() if name != table) + f"\n{written}\n"
    assert any(complaint in one for one in complaints(tomllib.loads(text), SCHEMA))
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(StudyError):
        load_study(tmp_path / "s.toml")
    (tmp_path / "s.toml").write_text("\n".join(f"[{name}]\n{keys}" for name, keys in base.items()))
    load_study(tmp_path / "s.toml")


def test_defaults_on_the_page_are_those_that_are_used(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("[study]\nname = 's'\nseeds = [0]\n[model]\nid = 'tiny'\n[methods.npo]\n")
    from vlmunl.manifests.load import load_study

    loaded = load_study(tmp_path / "s.toml")
    sections = {name: getattr(loaded, name) for name in ("model", "benchmark", "gate", "unlearn", "routes", "eval")}
    sections |= {name: getattr(loaded, name) for name in ("distributed", "statistics", "evidence", "tables", "sync")}
    sections["imprint"] = loaded.imprint.recipe
    compared = 0
    for table in tables():
        for key in table.keys if table.path in sections else ():
            if not key.required and key.name not in ("override", "micro_batch"):
                assert getattr(sections[table.path], key.name) == key.default, (table.path, key.name)
                compared += 1
    assert compared > 40


def test_the_page_on_studies_names_every_section() -> None:
    from vlmunl.manifests.load import SECTIONS

    text = (ROOT / "manifests" / "README.md").read_text()
    assert all(re.search(rf"`\[{name}(\.NAME)?\]`", text) for name in SECTIONS)
