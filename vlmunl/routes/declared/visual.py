"""Visual routes: the training question with another picture of the person."""

from __future__ import annotations

from vlmunl.routes.route import Route

_CORRUPTIONS = "common corruptions (ImageNet-C, arXiv 1903.12261)"
_TRANSFORMS = "image transformations as in MLLMU-Bench's and UMU-Bench's changed-image splits"


def _visual(
    name: str, family: str, change: str | tuple[str, ...], description: str, source: str = _TRANSFORMS
) -> Route:
    changes = (change,) if isinstance(change, str) else change
    image = tuple(f"photo:0 | {c}" for c in changes)
    return Route(id=name, family=family, modality="visual", description=description, source=source, image=image)


ROUTES: tuple[Route, ...] = (
    _visual("flip", "geometry", "flip", "the photo mirrored"),
    _visual("crop", "geometry", "crop:0.8", "the middle 80 % of the photo, enlarged"),
    _visual("pad", "geometry", "pad:0.75", "the photo shrunk to 75 % on a continued border"),
    _visual("rotate", "geometry", ("rotate:12", "rotate:-12"), "the photo turned by 12 degrees either way"),
    _visual("blur", "corruption", "blur:1.0", "Gaussian blur, radius 1 pixel", _CORRUPTIONS),
    _visual(
        "noise", "corruption", ("noise:0.1:0", "noise:0.1:1"), "Gaussian noise, sd 10 % of the range", _CORRUPTIONS
    ),
    _visual("jpeg", "corruption", "jpeg:25", "JPEG at quality 25", _CORRUPTIONS),
    _visual("lowres", "corruption", "lowres:0.5", "reduced to half the resolution and back", _CORRUPTIONS),
    _visual("grey", "photometric", "grey", "without colour"),
    _visual("dark", "photometric", "light:0.6", "60 % of the brightness", _CORRUPTIONS),
    _visual("bright", "photometric", "light:1.4", "140 % of the brightness", _CORRUPTIONS),
    _visual("invert", "photometric", "invert", "as a negative"),
    _visual("occlude_top", "occlusion", "cover:0.1:0.05:0.9:0.3", "a grey bar over the top of the head"),
    _visual("occlude_mouth", "occlusion", "cover:0.2:0.62:0.8:0.8", "a grey bar over mouth and chin"),
    Route(
        id="new_photo",
        family="photo",
        modality="visual",
        description="three photos that nothing was trained on: another pose, light, shirt and background",
        source="MLLMU-Bench's generalisation split (arXiv 2410.22108)",
        image=("photo:-1", "photo:-2", "photo:-3"),
    ),
)
