"""What is trained and how it is stored: LoRA or DoRA on the language model and the projector, or all weights.

A stored adapter is a folder: PEFT's two files, or `model.safetensors` with every weight. Its bytes depend on
the weights and the recipe only.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from vlmunl.errors import MissingInput, StudyError
from vlmunl.methods.language import Module, Where
from vlmunl.models.vlm import quiet
from vlmunl.stages.configs import Adapter

_NAMES: dict[Module, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "mlp": ("gate_proj", "up_proj", "down_proj"),
    "down": ("down_proj",),
}
_PROJECTOR = r"multi_modal_projector\.linear_[12]"
_TOWER = r"vision_tower\..*(\.(q_proj|k_proj|v_proj|out_proj)|\.fc[12])"

LORA_WEIGHTS, LORA_CONFIG, FULL_WEIGHTS = "adapter_model.safetensors", "adapter_config.json", "model.safetensors"


def selected(model: Any, where: Where) -> list[str]:
    """The names of the linear layers that `where` means, in the model's order.

    Raises:
        StudyError: there is none; the message says what was looked for.
    """
    pattern = re.compile(_pattern(model, where))
    names = [
        name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and pattern.search(name)
    ]
    if not names:
        asked = f"parts {', '.join(where.parts)}, modules {', '.join(where.modules)}"
        raise StudyError(
            f"no linear layer of this model is meant by {asked}", "choose parts and modules that the model has"
        )
    return names


def _pattern(model: Any, where: Where) -> str:
    kinds = "|".join(name for module in where.modules for name in _NAMES[module])
    layers = r"\d+" if where.depth is None else "|".join(map(str, layers_of(model, where)))
    parts = {
        "language": rf"language_model\.(.*\.)?layers\.({layers})\..*\b({kinds})$",
        "projector": rf"{_PROJECTOR}$",
        "vision": rf"{_TOWER}$",
    }
    return "|".join(f"({parts[part]})" for part in where.parts)


def layers_of(model: Any, where: Where) -> tuple[int, ...]:
    """The decoder layers that `where` means: all, or the `last` ones that end at its depth."""
    count = len(core(model).model.language_model.layers)
    if where.depth is None:
        return tuple(range(count))
    end = layer_at(model, float(where.depth))
    return tuple(range(max(0, end - where.last + 1), end + 1))


def layer_at(model: Any, depth: float) -> int:
    """The decoder layer at a share of the depth: the first at 0, the last at 1."""
    count = len(core(model).model.language_model.layers)
    return min(count - 1, max(0, round(depth * count) - 1))


def attach(model: Any, recipe: Adapter, where: Where | None = None) -> Any:
    """Make `model` trainable by the recipe; returns what `save` takes.

    Without `where` that is all weights, or the usual layers.

    LoRA's initial values come from torch's global generator, which `run_stage` has seeded for the cell.

    Raises:
        StudyError: `where` means no layer of this model.
    """
    if recipe.recipe == "full":
        model.requires_grad_(where is None)
        for name in selected(model, where) if where is not None else ():
            model.get_submodule(name).requires_grad_(True)
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules=selected(model, where or Where()),
        use_dora=recipe.recipe == "dora",
        bias="none",
    )
    with quiet():
        return get_peft_model(model, config)


def core(trained: Any) -> Any:
    """The model inside what `attach` returned, adapters in place."""
    return trained.get_base_model() if hasattr(trained, "get_base_model") else trained


def save(trained: Any, folder: Path) -> None:
    """Write the adapter, or all weights, in float32."""
    folder.mkdir(parents=True)
    if not hasattr(trained, "peft_config"):
        _save_tensors(dict(trained.named_parameters()), folder / FULL_WEIGHTS)
        return
    from peft import get_peft_model_state_dict

    _save_tensors(get_peft_model_state_dict(trained), folder / LORA_WEIGHTS)
    config = trained.peft_config["default"].to_dict() | {"base_model_name_or_path": "", "inference_mode": True}
    text = json.dumps(config, indent=1, sort_keys=True, default=sorted)
    (folder / LORA_CONFIG).write_text(text + "\n", encoding="utf-8")


def save_weights(tensors: dict[str, torch.Tensor], folder: Path) -> None:
    """Write some whole weights; `merge` puts them in the place of the model's own."""
    folder.mkdir(parents=True)
    _save_tensors(tensors, folder / FULL_WEIGHTS)


def merged(trained: Any) -> Any:
    """The model inside what `attach` returned, adapters merged into its weights."""
    return trained.merge_and_unload() if hasattr(trained, "merge_and_unload") else trained


def changed(before: Any, after: Any) -> dict[str, torch.Tensor]:
    """Name -> weight of `after`, of all weights that are not those of `before` to the bit."""
    old = dict(before.named_parameters())
    return {n: p for n, p in after.named_parameters() if not torch.equal(p.detach().to(old[n]), old[n])}


def _save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    plain = {name: t.detach().to("cpu", torch.float32).contiguous() for name, t in tensors.items()}
    save_file(plain, path, metadata={"format": "pt"})


def merge(model: Any, folder: Path) -> Any:
    """`model` with a stored adapter merged into its weights (or replaced by stored weights); changes it in place.

    Raises:
        MissingInput: the folder holds neither, or it does not fit the model.
    """
    try:
        if (folder / FULL_WEIGHTS).is_file():
            model.load_state_dict(load_file(folder / FULL_WEIGHTS), strict=False)
            return model
        from peft import PeftModel

        with quiet():
            merged = PeftModel.from_pretrained(model, folder).merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        first = str(error).strip().splitlines()[0]
        raise MissingInput(f"the adapter in {folder} does not fit the model: {first}") from error
    merged.requires_grad_(False)
    return merged
