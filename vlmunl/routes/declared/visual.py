"""Visual routes: the training question with another picture of the person."""

from __future__ import annotations

from vlmunl.routes.route import Route

_CORRUPTIONS = "common corruptions (ImageNet-C, arXiv 1903.12261)"
_TRANSFORMS = "image transformations as in MLLMU-Bench's and UMU-Bench's changed-image splits"
_FACES = "rephrased images as in UnLOK-VQA (TMLR)"
_STYLE = "style shift as in MLLMU-Bench's generated test images (arXiv 2410.22108)"
_SCENE = "group and scene photos as in AUVIC (arXiv 2511.11299) and PEBench (arXiv 2503.12545)"
_OWN = "this catalogue"
_PLACES = ("top left", "top right", "bottom left", "bottom right")


def _visual(
    name: str,
    family: str,
    change: str | tuple[str, ...],
    description: str,
    source: str = _TRANSFORMS,
    subject: str = "shown",
) -> Route:
    changes = (change,) if isinstance(change, str) else change
    image = tuple(f"photo:0 | {c}" for c in changes)
    return Route(
        id=name, family=family, modality="visual", description=description, source=source, image=image, subject=subject
    )


_GEOMETRY: tuple[Route, ...] = (
    _visual(
        "crop_corners",
        "geometry",
        ("crop_at:0:0:0.75:0.75", "crop_at:0.25:0:1:0.75", "crop_at:0:0.25:0.75:1", "crop_at:0.25:0.25:1:1"),
        "each corner's 75 % of the photo, enlarged",
    ),
    _visual("crop_half", "geometry", "crop:0.5", "the middle half of the photo, enlarged"),
    _visual("zoom", "geometry", "crop_at:0.2:0.15:0.8:0.9", "the face alone, enlarged", _FACES),
    _visual("shrink", "geometry", "pad:0.5", "the photo shrunk to half on a continued border"),
    _visual("bars", "geometry", "bars:0.7", "letterbox: flattened to 70 % between black bars", _OWN),
    _visual("rotate_15", "geometry", ("rotate:15", "rotate:-15"), "the photo turned by 15 degrees either way"),
    _visual("rotate_30", "geometry", ("rotate:30", "rotate:-30"), "the photo turned by 30 degrees either way"),
    _visual("turn_90", "geometry", ("turn:90", "turn:270"), "the photo lying on either side"),
    _visual("turn_180", "geometry", "turn:180", "the photo upside down"),
    _visual("upside", "geometry", "upside", "the photo mirrored top to bottom"),
)

_CORRUPTED: tuple[Route, ...] = (
    _visual("blur_2", "corruption", "blur:2.0", "Gaussian blur, radius 2 of 64 pixels", _CORRUPTIONS),
    _visual("blur_3", "corruption", "blur:3.0", "Gaussian blur, radius 3 of 64 pixels", _CORRUPTIONS),
    _visual(
        "noise_2", "corruption", ("noise:0.2:0", "noise:0.2:1"), "Gaussian noise, sd 20 % of the range", _CORRUPTIONS
    ),
    _visual(
        "noise_3", "corruption", ("noise:0.35:0", "noise:0.35:1"), "Gaussian noise, sd 35 % of the range", _CORRUPTIONS
    ),
    _visual("jpeg_2", "corruption", "jpeg:12", "JPEG at quality 12", _CORRUPTIONS),
    _visual("jpeg_3", "corruption", "jpeg:5", "JPEG at quality 5", _CORRUPTIONS),
    _visual("lowres_2", "corruption", "lowres:0.33", "reduced to a third of the resolution and back", _CORRUPTIONS),
    _visual("lowres_3", "corruption", "lowres:0.2", "reduced to a fifth of the resolution and back", _CORRUPTIONS),
)

_PHOTOMETRIC: tuple[Route, ...] = (
    _visual("hue", "photometric", ("hue:40", "hue:-40"), "hues turned by 40 degrees either way", _TRANSFORMS),
    _visual("hue_opposite", "photometric", "hue:180", "every hue its opposite", _TRANSFORMS),
    _visual("channels", "photometric", "channels", "red and blue exchanged", _OWN),
    _visual("pale", "photometric", "saturate:0.4", "40 % of the saturation", _CORRUPTIONS),
    _visual("vivid", "photometric", "saturate:2.0", "twice the saturation", _CORRUPTIONS),
    _visual("flat", "photometric", "contrast:0.5", "half the contrast", _CORRUPTIONS),
    _visual("harsh", "photometric", "contrast:1.8", "1.8 times the contrast", _CORRUPTIONS),
)

_OCCLUDED: tuple[Route, ...] = (
    _visual("occlude_eyes", "occlusion", "cover:0.22:0.42:0.78:0.62", "a grey bar over the eyes", _OWN),
    _visual("occlude_left", "occlusion", "cover:0:0:0.5:1", "the left half grey", _OWN),
    _visual(
        "occlude_patches",
        "occlusion",
        ("patches:5:0.2:0", "patches:5:0.2:1", "patches:5:0.2:2"),
        "five grey squares at random places, three draws",
        "random erasing (arXiv 1708.04896)",
    ),
)

_BACKGROUND: tuple[Route, ...] = (
    _visual("background_masked", "background", "cut_out", "all but an ellipse around the head is grey", _OWN),
    _visual(
        "background_replaced",
        "background",
        ("backdrop:0", "backdrop:1"),
        "the head before another background, two draws",
        _SCENE,
    ),
)

_SCENES: tuple[Route, ...] = (
    _visual(
        "scene",
        "scene",
        ("scene:0.6:0.02:0.38", "scene:0.45:0.05:0.5"),
        "the photo smaller in a scene with a house",
        _SCENE,
    ),
    _visual("screen", "scene", "screen", "on the screen of a telephone", _OWN),
    _visual("poster", "scene", "poster", "as a poster on a brick wall", _OWN),
    _visual("tiles", "scene", "tiles", "the same photo four times", _OWN),
    *(
        _visual(
            f"collage_{place.replace(' ', '_')}",
            "scene",
            f"collage:{i}",
            f"among three retained people, at the {place}",
            _SCENE,
            subject=f"placed:{place}",
        )
        for i, place in enumerate(_PLACES)
    ),
    *(
        _visual(
            f"pair_{side}",
            "scene",
            f"pair:{i}",
            f"beside a retained person, on the {side}",
            _SCENE,
            subject=f"placed:{side}",
        )
        for i, side in enumerate(("left", "right"))
    ),
)

_STYLES: tuple[Route, ...] = (
    _visual("posterise", "style", "posterise:2", "four levels per colour", _STYLE),
    _visual("solarise", "style", "solarise:128", "what is brighter than half is inverted", _STYLE),
    _visual("edges", "style", "edges", "a line drawing", _STYLE),
    _visual("brush", "style", "brush:5", "as if painted with a broad brush", _STYLE),
)

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
    *_GEOMETRY,
    *_CORRUPTED,
    *_PHOTOMETRIC,
    *_OCCLUDED,
    *_BACKGROUND,
    *_SCENES,
    *_STYLES,
)
