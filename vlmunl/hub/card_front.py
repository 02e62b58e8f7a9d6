"""The YAML in front of a model card, and the card of a repository with several studies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vlmunl.benchmarks.known import KINDS
from vlmunl.hub.inventory import folder
from vlmunl.latex.results import ModelRow, Results
from vlmunl.manifests.study import Study

FILE = "README.md"
TAGS = ("machine-unlearning", "vision-language", "lora", "vlmunl")
OURS = "apache-2.0"
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


def line(text: str) -> str:
    """One line that starts no tag, link, code or table cell."""
    escaped = re.sub(r"([\\|\[\]`*])", r"\\\1", " ".join(text.split()))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def root_card(cards: Mapping[str, bytes]) -> bytes:
    """The card of a repository from those of its studies: the one that there is, or an index of several."""
    if len(cards) == 1:
        return next(iter(cards.values()))
    merged: dict[str, Any] = {}
    lines = []
    for study, card in sorted(cards.items()):
        front, body = split(card)
        merged = _merged(merged, front)
        title = next((line[2:] for line in body.splitlines() if line.startswith("# ")), study)
        lines.append(f"- [{line(title)}]({folder(study)}/{FILE}) (`{folder(study)}/`)")
    text = "\n".join(lines)
    head = "# Published studies of machine unlearning\n\nEach study has a folder and a card of its own."
    return f"---\n{in_yaml(merged)}---\n\n{head}\n\n{text}\n".encode()


def split(card: bytes) -> tuple[dict[str, Any], str]:
    """(YAML in front, body) of a card; an unreadable front counts as none."""
    import yaml  # type: ignore[import-untyped]

    text = card.decode("utf-8", "replace")
    match = _FRONT.match(text)
    if match is None:
        return {}, text
    try:
        front = yaml.safe_load(match[1])
    except yaml.YAMLError:
        front = None
    return front if isinstance(front, dict) else {}, text[match.end() :]


def problem(card: bytes) -> str:
    """Why the Hub would refuse a card; empty if it would not. The same check that the client's library makes."""
    from huggingface_hub import ModelCard

    front, _ = split(card)
    if not front:
        return "it has no YAML in front"
    try:
        ModelCard(card.decode(), ignore_metadata_errors=False)
    except (ValueError, TypeError, KeyError) as error:
        return " ".join(str(error).split())[:200]
    return ""


def in_yaml(document: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=10_000))


def metadata(study: Study, results: Results) -> dict[str, Any]:
    model = study.model.id
    front: dict[str, Any] = {"license": OURS} if model == "tiny" else {"license": "other"}
    if model != "tiny":
        front["license_name"] = "that-of-the-base-model"
    if _is_hub_id(model):
        front["base_model"] = model
    front |= {"library_name": "peft", "tags": list(TAGS)}
    if found := [_measured(row, study) for row in results.methods if row.wcr is not None and row.wcr.cross_fit]:
        front["model-index"] = [{"name": study.name, "results": found}]
    return front


def _is_hub_id(model: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", model))


def _measured(row: ModelRow, study: Study) -> dict[str, Any]:
    """One entry of the model index: verified numbers of one method."""
    wcr = row.wcr
    assert wcr is not None, "chosen by that"
    figures: list[tuple[str, str, float | None]] = [
        ("wcr", "worst-case recovery (cross-fit)", wcr.cross_fit.estimate if wcr.cross_fit else None),
        ("wcr_lower", "worst-case recovery, lower bound", wcr.lower),
        ("canonical_recovery", "canonical recovery", row.canonical.estimate if row.canonical else None),
        ("utility", "utility", row.utility),
    ]
    pictures = KINDS[study.benchmark.id].pictures
    return {
        "task": {
            "type": "visual-question-answering" if pictures else "question-answering",
            "name": f"unlearning by {line(row.label)}",
        },
        "dataset": {"type": study.benchmark.id, "name": line(KINDS[study.benchmark.id].title)},
        "metrics": [
            {"type": kind, "name": f"{name}, {line(row.label)}", "value": round(value, 4)}
            for kind, name, value in figures
            if value is not None
        ],
    }


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata of two cards as one: lists are joined, of different values the first stays, or becomes a list."""
    merged = dict(one)
    for name, value in other.items():
        if name not in merged or merged[name] == value:
            merged[name] = value
        elif name in ("tags", "model-index", "base_model"):
            parts = [*_listed(merged[name]), *_listed(value)]
            merged[name] = [part for i, part in enumerate(parts) if part not in parts[:i]]
        elif name == "license":
            merged[name] = "other"
    if merged.get("license") == "other":
        merged.setdefault("license_name", "that-of-each-study")
    return merged


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
