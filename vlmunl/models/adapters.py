"""What is trained and how it is stored: LoRA or DoRA on the language model and the projector, or all weights.

A stored adapter is a folder: PEFT's two files, or `model.safetensors` with every weight. Its bytes depend on
the weights and the recipe only.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from vlmunl.errors import MissingInput
from vlmunl.models.vlm import quiet
from vlmunl.stages.configs import Adapter

WHERE = (
    r".*(language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
    r"|multi_modal_projector\.linear_[12])"
)
"""Linear layers that get an adapter: the vision tower, embeddings and head stay as they are."""

LORA_WEIGHTS, LORA_CONFIG, FULL_WEIGHTS = "adapter_model.safetensors", "adapter_config.json", "model.safetensors"


def attach(model: Any, recipe: Adapter) -> Any:
    """Make `model` trainable by the recipe; returns what `save` and `reference` take.

    LoRA's initial values come from torch's global generator, which `run_stage` has seeded for the cell.
    """
    if recipe.recipe == "full":
        model.requires_grad_(True)
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules=WHERE,
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
