"""One forward pass for all families: the model's own logits, whatever the batch, the padding and the pictures."""

from __future__ import annotations

from typing import Any

import pytest

from vlmunl.models.chat import Turn

pytestmark = pytest.mark.model

ASKED = (
    (Turn("Where was this person born?", "Lima in Peru"),),
    (Turn("What does this person do for a living, as far as you know?", "a baker"),),
    (Turn("Job?", "a cook"),),
    (Turn("Where was Bira Tandel born?", "Oslo"),),
)


def _samples(vlm: Any, files: list[bytes]) -> list[Any]:
    """Three questions with pictures of different sizes, one without."""
    from vlmunl.models.samples import Sample

    from .helpers import shows

    photos = [*files, None] if shows(vlm) else [None] * 4
    return [Sample(turns, photo) for turns, photo in zip(ASKED, photos, strict=True)]


def _answers(vlm: Any, batch: Any) -> Any:
    import torch

    from vlmunl.models.forward import AnswerModel, answers

    with torch.inference_mode():
        return answers(AnswerModel(vlm.model, vlm.image_token), batch)


def test_logits_are_the_models_own(mini: Any, family: str, files: list[bytes], photos: list[Any]) -> None:
    import torch

    from vlmunl.models.samples import Encoder

    from .helpers import logits, written

    encoder = Encoder(mini)
    for number, sample in enumerate(_samples(mini, files)):
        batch = encoder.batch([sample])
        found = _answers(mini, batch)
        image = photos[number] if sample.photo is not None else None
        if family == "paligemma" and image is None:
            continue  # its processor wants a picture
        given = written(mini, sample.turns, image, 0)
        assert batch.ids[0].tolist() == given["input_ids"][0].tolist()
        whole = logits(mini, given)
        predicts = torch.nonzero(batch.answers[0])[:, 0] - 1
        assert len(predicts) == len(found.logits)
        assert (found.logits - whole[predicts]).abs().max() < 1e-4


def test_a_batch_is_its_rows(mini: Any, files: list[bytes]) -> None:
    import torch

    from vlmunl.models.samples import Encoder

    encoder, samples = Encoder(mini), _samples(mini, files)
    together = _answers(mini, encoder.batch(samples))
    alone = [_answers(mini, encoder.batch([s])) for s in samples]
    assert (together.logits - torch.cat([a.logits for a in alone])).abs().max() < 1e-4
    assert together.total.tolist() == pytest.approx([float(a.total[0]) for a in alone], abs=1e-3)


def test_padding_on_either_side(mini: Any, files: list[bytes]) -> None:
    import torch

    from vlmunl.models.chat import Encoded
    from vlmunl.models.forward import collate
    from vlmunl.models.samples import Encoder

    right = Encoder(mini).batch(_samples(mini, files))
    rows = [
        Encoded(ids[mask].tolist(), marked[mask].tolist())
        for ids, mask, marked in zip(right.ids, right.mask, right.answers, strict=True)
    ]
    left = collate(rows, right.pixels, mini.pad_token, left=True)._replace(extra=right.extra, whole=right.whole)
    assert not torch.equal(left.mask, right.mask)
    assert (_answers(mini, left).logits - _answers(mini, right).logits).abs().max() < 1e-4


def test_pictures_matter(mini: Any, files: list[bytes]) -> None:
    from dataclasses import replace

    from vlmunl.models.samples import Encoder

    from .helpers import shows

    if not shows(mini):
        pytest.skip("no pictures")
    import io

    from PIL import Image

    samples = _samples(mini, files)[:1]
    with Image.open(io.BytesIO(files[0])) as image:
        out = io.BytesIO()
        image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(out, "PNG")
    other = [replace(samples[0], photo=out.getvalue())]
    encoder = Encoder(mini)
    first, second = (_answers(mini, encoder.batch(s)).logits for s in (samples, other))
    assert first.shape == second.shape
    assert (first - second).abs().max() > 1e-3


def test_inner_layers(mini: Any, files: list[bytes]) -> None:
    """What methods read inside is there for every family, at the text tokens alone."""
    import torch

    from vlmunl.models.forward import AnswerModel, answers, text_tokens
    from vlmunl.models.samples import Encoder

    batch = Encoder(mini).batch(_samples(mini, files))
    with torch.inference_mode():
        found = answers(AnswerModel(mini.model, mini.image_token), batch, (0, 1))
        stopped = answers(AnswerModel(mini.model, mini.image_token), batch, (0,), stop=True)
    assert len(found.layers[1].values) == int(text_tokens(batch, mini.image_token).sum())
    assert torch.equal(found.layers[0].values, stopped.layers[0].values)
    assert not stopped.answered
