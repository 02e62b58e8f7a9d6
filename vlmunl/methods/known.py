"""All methods by name: declared here, or by a plug-in (entry point `vlmunl.methods`)."""

from __future__ import annotations

from vlmunl.methods.declared import (
    ascent,
    baselines,
    bounded,
    distillation,
    inference,
    preference,
    projection,
    refusal,
    representation,
    selective,
)
from vlmunl.methods.registry import Registry
from vlmunl.methods.specs import Method

METHODS: Registry[Method] = Registry(
    Method,
    "vlmunl.methods",
    (
        *baselines.METHODS,
        *ascent.METHODS,
        *bounded.METHODS,
        *preference.METHODS,
        *refusal.METHODS,
        *distillation.METHODS,
        *representation.METHODS,
        *projection.METHODS,
        *selective.METHODS,
        *inference.METHODS,
    ),
)
