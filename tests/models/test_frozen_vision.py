"""A frozen tower is asked once per picture, and answers as if it had been asked each time."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from vlmunl.models.forward import image_features  # noqa: E402
from vlmunl.models.frozen_vision import remembered  # noqa: E402

pytestmark = pytest.mark.model


def _pictures(count: int) -> Any:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_each_picture_once_in_any_order_and_company(vlm: Any) -> None:
    pictures = _pictures(4)
    plain = image_features(vlm.model, pictures)
    with remembered(vlm.model) as tower:
        assert tower is not None
        first = image_features(vlm.model, pictures[:3])
        mixed = image_features(vlm.model, pictures[[3, 0, 3, 2]])
        assert tower.asked == 4
    assert torch.allclose(first, plain[:3], atol=1e-6)
    assert torch.allclose(mixed, plain[[3, 0, 3, 2]], atol=1e-6)


def test_the_tower_is_put_back_and_gradients_still_reach_the_projector(vlm: Any) -> None:
    before = vlm.model.model.vision_tower
    weight = vlm.model.model.multi_modal_projector.linear_1.weight
    weight.requires_grad_(True)
    try:
        with remembered(vlm.model):
            image_features(vlm.model, _pictures(1)).sum().backward()
        assert float(weight.grad.abs().sum()) > 0
    finally:
        weight.requires_grad_(False)
        weight.grad = None
    assert vlm.model.model.vision_tower is before


def test_a_tower_that_is_trained_does_not_remember(vlm: Any) -> None:
    weight = next(vlm.model.model.vision_tower.parameters())
    weight.requires_grad_(True)
    try:
        with remembered(vlm.model) as tower:
            assert tower is None
    finally:
        weight.requires_grad_(False)
