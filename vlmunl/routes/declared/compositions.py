"""Compositions: an image route and a text route at once."""

from __future__ import annotations

from vlmunl.routes.route import Route

ROUTES: tuple[Route, ...] = ()
