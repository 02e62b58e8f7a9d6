"""`vlmunl version`."""

from __future__ import annotations

import typer

EXAMPLES = ("vlmunl version", "vlmunl version --json")

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "safetensors", "huggingface_hub", "numpy", "pyarrow")


def version(ctx: typer.Context) -> None:
    """Print the version; with --json also those of the libraries it uses."""
    import platform
    from importlib import metadata

    import vlmunl
    from vlmunl.commands.session import globals_of

    found: dict[str, str | None] = {}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = None
    out = globals_of(ctx).out
    out.line(f"vlmunl {vlmunl.__version__}")
    document = {"vlmunl": vlmunl.__version__, "python": platform.python_version(), "libraries": found}
    out.document({"schema": 1, **document})
