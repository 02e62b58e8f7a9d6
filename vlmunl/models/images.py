"""Pictures as the model takes them: decoded, preprocessed once, and looked up by content."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor


def decode(data: bytes) -> Image.Image:
    """A picture in RGB from the bytes of any common format."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def pixel_values(processor: Any, pictures: Sequence[Image.Image]) -> Tensor:
    """Preprocessed pictures, (N, C, H, W), by the model's own image processor."""
    values: Tensor = processor.image_processor(images=list(pictures), return_tensors="pt")["pixel_values"]
    return values.to(torch.float32)
