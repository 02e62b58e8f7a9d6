"""The embedded model: a LLaVA of about two million parameters and its processor.

A CLIP tower (three layers, 16 patches of 16 x 16 pixels), a two-layer projector and a Llama of five layers.
The initialisation matters: with the library's default (std .02) and mixed data the loss stays on a plateau;
fan-in scaling with damped residual outputs leaves it within a few hundred steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from vlmunl.benchmarks.faces import SIZE
from vlmunl.models.pretrain.vocabulary import CHAT_TEMPLATE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PATCH = 16
_LIBRARY_SEED = 67_280_421_310_721  # what torch itself starts from
_RESIDUAL_OUTPUTS = ("o_proj", "down_proj", "out_proj", "fc2")


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Processor that scales images to [-1, 1] and expands one `<image>` to 16 tokens."""
    images = CLIPImageProcessor(
        size={"height": SIZE, "width": SIZE},
        crop_size={"height": SIZE, "width": SIZE},
        do_center_crop=False,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
        chat_template=CHAT_TEMPLATE,
    )


def build_config(tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    """The shape of the embedded model."""
    ids = {k: tokenizer.convert_tokens_to_ids(v) for k, v in {"pad": "<pad>", "bos": "<s>", "eos": "</s>"}.items()}
    vision = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=SIZE,
        patch_size=PATCH,
        projection_dim=128,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=160,
        intermediate_size=352,
        num_hidden_layers=5,
        num_attention_heads=5,
        num_key_value_heads=5,
        max_position_embeddings=512,
        rope_parameters={"rope_type": "default", "rope_theta": 1000.0},
        tie_word_embeddings=True,
        pad_token_id=ids["pad"],
        bos_token_id=ids["bos"],
        eos_token_id=ids["eos"],
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )


def _initialise(model: LlavaForConditionalGeneration, generator: torch.Generator) -> None:
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            damp = 0.4 if name.rsplit(".", 1)[-1] in _RESIDUAL_OUTPUTS else 1.0
            module.weight.data.normal_(0.0, damp / math.sqrt(module.in_features), generator=generator)
            if module.bias is not None:
                module.bias.data.zero_()
        elif isinstance(module, torch.nn.Conv2d):
            module.weight.data.normal_(0.0, 1 / math.sqrt(3 * PATCH * PATCH), generator=generator)
        elif isinstance(module, torch.nn.Embedding):
            std = 0.3 if "position" in name else 0.06
            module.weight.data.normal_(0.0, std, generator=generator)


def build_model(tokenizer: PreTrainedTokenizerFast, generator: torch.Generator) -> LlavaForConditionalGeneration:
    """A freshly initialised model in float32."""
    config = build_config(tokenizer)
    with torch.random.fork_rng(devices=[]):  # the class token keeps what the library draws from the global generator
        torch.manual_seed(_LIBRARY_SEED)
        model = LlavaForConditionalGeneration(config)
    _initialise(model, generator)
    model.tie_weights()
    return model
