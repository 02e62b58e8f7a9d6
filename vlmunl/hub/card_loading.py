"""The lines of Python by which one model of a published study is loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from vlmunl.hub.inventory import folder
from vlmunl.manifests.plan import Plan
from vlmunl.manifests.states import Board
from vlmunl.manifests.study import Study
from vlmunl.stage_types import External


@dataclass(frozen=True, kw_only=True)
class Loadable:
    """What it takes to load one model of the study: its own adapter and, below it, what was taught, or nothing.

    Each is (folder in the repository, is it a PEFT adapter).
    """

    row: str
    own: tuple[str, bool]
    below: tuple[str, bool] | None
    auto_class: str


def loading(plan: Plan, board: Board, repo: str, best: str) -> str:
    """The section of the card; `best` is the method to show, if it has an adapter."""
    found = loadable(plan, board, best)
    if found is None:
        return ""
    text = "\n".join(snippet(plan.study, found, repo))
    below = "" if found.below is None else " The adapter lies on top of what was taught, which is loaded first."
    return f"## Loading one model\n\nThis is `{found.row}`.{below}\n\n```python\n{text}\n```"


def loadable(plan: Plan, board: Board, best: str = "") -> Loadable | None:
    """The best, else the first method that has an adapter, else the imprint; None if no adapter is published."""
    methods = {method.name: method for method in plan.study.methods}
    candidates = [c for c in plan.cells if c.stage.name in ("unlearn", "select") and c.name.count("/") == 2]
    candidates.sort(key=lambda cell: cell.row != best)
    candidates += [c for c in plan.cells if c.name.startswith("imprint/imprint/") and c.stage.name == "imprint"]
    for cell in candidates:
        state = board[cell.name]
        own = _adapter(board, cell.name) if state.done else None
        if own is None:
            continue
        below = None
        if cell.stage.name != "imprint" and cell.row in methods and methods[cell.row].start == "imprint":
            below = _adapter(board, f"imprint/imprint/seed{cell.seed}")
            if below is None:
                continue
        base = cell.inputs.get("base")
        return Loadable(row=cell.name, own=own, below=below, auto_class=_auto_class(base))
    return None


def _adapter(board: Board, cell: str) -> tuple[str, bool] | None:
    """(its folder in the repository, is it PEFT's) of the adapter that a cell wrote."""
    if cell not in board.plan.by_name or not board[cell].done:
        return None
    names = {entry.path for entry in board.store.tree(board[cell].output("adapter"))}
    if not names & {"adapter_config.json", "model.safetensors"}:
        return None
    place = f"{folder(board.plan.study.name)}/adapters/{cell.partition('/')[2]}"
    return place, "adapter_config.json" in names


def _auto_class(base: object) -> str:
    config: Any = {}
    if isinstance(base, External):
        try:
            config = json.loads((base.path / "config.json").read_bytes())
        except (OSError, ValueError):
            config = {}
    named = config.get("architectures") if isinstance(config, dict) else None
    causal = isinstance(named, list) and any(str(name).endswith("ForCausalLM") for name in named)
    return "AutoModelForCausalLM" if causal else "AutoModelForImageTextToText"


def snippet(study: Study, found: Loadable, repo: str) -> list[str]:
    """Python that loads the model, line by line."""
    tiny = study.model.id == "tiny"
    parts = [part for part in (found.below, found.own) if part is not None]
    lines = []
    if any(not peft for _, peft in parts):
        lines += ["from huggingface_hub import hf_hub_download", "from safetensors.torch import load_file"]
    if any(peft for _, peft in parts):
        lines.append("from peft import PeftModel")
    lines.append(f"from transformers import {found.auto_class}")
    if tiny:
        lines.append("from vlmunl.models.locate import TINY")
    base = "TINY" if tiny else repr(study.model.id)
    revision = f", revision={study.model.revision!r}" if study.model.revision else ""
    lines += ["", f'model = {found.auto_class}.from_pretrained({base}{revision}, dtype="float32")']
    for number, (place, peft) in enumerate(parts):
        merged = ".merge_and_unload()" if number + 1 < len(parts) else ""
        if peft:
            lines.append(f'model = PeftModel.from_pretrained(model, "{repo}", subfolder="{place}"){merged}')
        else:
            lines.append(f'weights = hf_hub_download("{repo}", "{place}/model.safetensors")')
            lines.append("model.load_state_dict(load_file(weights), strict=False)")
    return lines
