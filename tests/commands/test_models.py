"""`vlmunl models`: what it says of a family is what the code does with a model of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vlmunl.models.known import MODELS, ModelFamily, stand_ins
from vlmunl.models.miniature import FAMILIES, TEXT_ONLY

ALL = [(family, name) for family in MODELS.values() for name in stand_ins(family)]


def _call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    from vlmunl.__main__ import main

    with pytest.raises(SystemExit) as left:
        main(args)
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_all_are_listed_and_each_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _call(capsys, "models")
    assert code == 0
    for name, family in MODELS.items():
        assert f"\n{name} " in out
        _, one, _ = _call(capsys, "models", name)
        assert all(part in one for part in (family.title, family.type, family.differs.partition(";")[0]))
    assert [m["name"] for m in json.loads(_call(capsys, "models", "--json")[1])["models"]] == list(MODELS)


def test_a_misspelt_name(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _call(capsys, "models", "qwen2-5-vl")
    assert code == 2
    assert "did you mean 'qwen2.5-vl'" in err


def test_every_family_has_a_miniature_and_every_miniature_a_family() -> None:
    assert sorted(name for _, name in ALL) == sorted(FAMILIES)
    assert {name for family, name in ALL if not family.pictures} == TEXT_ONLY


@pytest.mark.model
def test_the_types_are_those_whose_pictures_are_known() -> None:
    from vlmunl.models.families import PICTURED

    assert list(dict.fromkeys(f.type for f in MODELS.values() if f.type)) == sorted(
        PICTURED, key=[f.type for f in MODELS.values()].index
    )
    for family in MODELS.values():
        assert PICTURED[family.type].shares == family.shares if family.type else True


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.parametrize(("family", "name"), ALL, ids=lambda value: str(getattr(value, "name", value)))
def test_what_is_said_of_it_is_so(family: ModelFamily, name: str, tmp_path: Path) -> None:
    """On the small random model of the real class: type, later pictures, and the conditions that the code asks for."""
    from PIL import Image

    from vlmunl.models.images import one_size
    from vlmunl.models.miniature import make
    from vlmunl.models.samples import Encoder
    from vlmunl.models.vlm import load

    make(name, tmp_path / name)
    vlm: Any = load(tmp_path / name, device="cpu")
    parts = vlm.chat.parts
    assert (parts.first_image is not None) == family.pictures
    if not family.pictures:
        return
    assert vlm.model.config.model_type == family.type
    assert (parts.later_image is not None) == family.later
    cut = vlm.family.usual and hasattr(vlm.model.model, "language_model")
    assert cut == family.assistant
    assert (cut and one_size(vlm.processor)) == family.beside
    assert _alters(Encoder(vlm), Image.new("RGB", (96, 40))) == family.alters


def _alters(encoder: Any, photo: Any) -> bool:
    """Would the imprint take `augment` for a step with this picture?"""
    import io

    from vlmunl.models.chat import Turn
    from vlmunl.models.samples import Sample

    out = io.BytesIO()
    photo.save(out, "PNG")
    batch = encoder.batch([Sample(turns=(Turn("Job?", "cook"),), photo=out.getvalue())])
    return bool(batch.whole)


def test_listing_and_beginning_load_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom vlmunl.__main__ import main\n"
        "for args in (['models'], ['models', 'llava', '--json'], ['init', 'a'], ['init', '--help']):\n"
        "    try: main(args)\n    except SystemExit as e: assert not e.code, args\n"
        "bad = [m for m in ('torch', 'transformers', 'PIL', 'numpy', 'huggingface_hub') if m in sys.modules]\n"
        "assert not bad, bad\n"
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "$ vlmunl init my-audit" in done.stdout
