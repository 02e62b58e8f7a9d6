"""The layers that a method means are there in every architecture, and nothing else is trained."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import transformers as t  # noqa: E402

from vlmunl.errors import StudyError  # noqa: E402
from vlmunl.methods.language import Where  # noqa: E402
from vlmunl.models import adapters  # noqa: E402
from vlmunl.stages.configs import Adapter  # noqa: E402

pytestmark = pytest.mark.model

BLOCKS = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = BLOCKS | {"num_key_value_heads": 1, "vocab_size": 64, "pad_token_id": 0}
TOWER = BLOCKS | {"image_size": 16, "patch_size": 4}
ROPE = {"rope_type": "default", "rope_theta": 1e4}
QWEN = TEXT | {"rope_parameters": ROPE | {"mrope_section": [2, 3, 3]}}
QWEN_TOWER = {
    "depth": 2, "hidden_size": 32, "num_heads": 2, "intermediate_size": 48, "out_hidden_size": 32, "patch_size": 4
}  # fmt: skip
MLLAMA_TOWER = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_global_layers": 1, "attention_heads": 2,
    "image_size": 16, "patch_size": 4, "vision_output_dim": 64, "intermediate_layers_indices": [0], "max_num_tiles": 1,
    "supported_aspect_ratios": [[1, 1]],
}  # fmt: skip


def _of(kind: str, text: dict[str, Any], vision: dict[str, Any], **more: Any) -> Any:
    config = getattr(t, f"{kind}Config")(text_config=text, vision_config=vision, **more)
    return getattr(t, f"{kind}ForConditionalGeneration")(config)


SEEING = {
    "llava": lambda: _of("Llava", TEXT | {"model_type": "llama"}, TOWER | {"model_type": "clip_vision_model"}),
    "llava_next": lambda: _of(
        "LlavaNext", TEXT | {"model_type": "mistral"}, TOWER | {"model_type": "clip_vision_model"}
    ),
    "llava_onevision": lambda: _of(
        "LlavaOnevision", TEXT | {"model_type": "qwen2"}, TOWER | {"model_type": "siglip_vision_model"}
    ),
    "qwen2_vl": lambda: _of(
        "Qwen2VL",
        QWEN,
        {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 4},
    ),
    "qwen2_5_vl": lambda: _of("Qwen2_5_VL", QWEN, QWEN_TOWER | {"fullatt_block_indexes": [1]}),
    "qwen3_vl": lambda: _of(
        "Qwen3VL",
        QWEN | {"head_dim": 16},
        QWEN_TOWER | {"deepstack_visual_indexes": [1], "num_position_embeddings": 16},
    ),
    "idefics3": lambda: _of("Idefics3", TEXT | {"model_type": "llama"}, dict(TOWER)),
    "smolvlm": lambda: _of("SmolVLM", TEXT | {"model_type": "llama"}, dict(TOWER)),
    "gemma3": lambda: _of("Gemma3", TEXT | {"head_dim": 16}, dict(TOWER), mm_tokens_per_image=4),
    "internvl": lambda: _of(
        "InternVL", TEXT | {"model_type": "qwen2"}, BLOCKS | {"image_size": [16, 16], "patch_size": [4, 4]}
    ),
    "paligemma": lambda: _of(
        "PaliGemma",
        TEXT | {"model_type": "gemma", "head_dim": 16},
        TOWER | {"model_type": "siglip_vision_model"},
        projection_dim=32,
    ),
    "mllama": lambda: _of("Mllama", TEXT | {"cross_attention_layers": [1], "rope_parameters": ROPE}, MLLAMA_TOWER),
}
READING = {
    "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**TEXT)),
    "qwen3": lambda: t.Qwen3ForCausalLM(t.Qwen3Config(**TEXT, head_dim=16)),
    "phi3": lambda: t.Phi3ForCausalLM(t.Phi3Config(**TEXT)),
    "gemma2": lambda: t.Gemma2ForCausalLM(t.Gemma2Config(**TEXT, head_dim=16)),
    "gpt_neox": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**BLOCKS, vocab_size=64)),
}
WITHOUT_LINEAR_PROJECTOR = ("gemma3",)  # its projection is a bare parameter
KNOWN = {"language": "language_model|text_model", "vision": "vision_tower|vision_model|visual"}


def _plain(name: str) -> str:
    return name.removeprefix("base_model.model.").partition(".lora_")[0]


def _trained(model: Any, where: Where) -> set[str]:
    peft = adapters.attach(model, Adapter(rank=2, alpha=4), where)
    return {_plain(n) for n, p in peft.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", list(SEEING))
def test_each_part_of_a_model_that_sees_is_found_and_trained_alone(name: str) -> None:
    import re

    for part in ("language", "projector", "vision"):
        model = SEEING[name]()
        where = Where(parts=(part,))
        if part == "projector" and name in WITHOUT_LINEAR_PROJECTOR:
            with pytest.raises(StudyError, match="no linear layer"):
                adapters.selected(model, where)
            continue
        found = set(adapters.selected(model, where))
        assert not [n for n in found if "embed" in n or n.endswith("lm_head") or "head." in n]
        if part in KNOWN:
            assert all(re.search(KNOWN[part], n) for n in found)
            kinds = [Where(parts=(part,), modules=(kind,)) for kind in ("attention", "mlp")]  # type: ignore[arg-type]
            assert {n for kind in kinds for n in adapters.selected(model, kind)} == found
        assert _trained(model, where) == found


@pytest.mark.parametrize("name", list(READING))
def test_a_model_of_text_alone_has_the_language_part(name: str) -> None:
    model = READING[name]()
    with pytest.raises(StudyError, match="no linear layer"):
        adapters.selected(model, Where(parts=("vision", "projector")))
    found = set(adapters.selected(model, Where()))  # the projector that it lacks is passed over
    assert found
    assert not [n for n in found if "embed" in n or "lm_head" in n]
    assert _trained(model, Where()) == found


@pytest.mark.parametrize("name", ["llava", "qwen3_vl", "idefics3", "mllama"])
def test_depth_chooses_decoder_layers_and_modules_choose_within_them(name: str) -> None:
    model = SEEING[name]()
    last = adapters.selected(model, Where(parts=("language",), modules=("down",), depth=1.0, last=1))
    assert len(last) == 1
    assert ".1." in last[0]
    assert last[0].endswith("down_proj")
    assert adapters.layer_at(model, 0.0) == 0
    assert adapters.layers_of(model, Where(depth=1.0, last=9)) == (0, 1)


def test_names_are_the_same_with_an_adapter_in_place() -> None:
    model = SEEING["llava"]()
    before = adapters.selected(model, Where())
    peft = adapters.attach(model, Adapter(rank=2, alpha=4), Where())
    assert adapters.selected(peft, Where()) == before


def test_routers_of_experts_are_never_meant() -> None:
    assert adapters.place_of("model.layers.0.mlp.gate") is None
    assert adapters.place_of("model.layers.0.mlp.shared_expert_gate") is None
    assert adapters.place_of("model.layers.0.mlp.shared_expert.gate_proj") is not None
