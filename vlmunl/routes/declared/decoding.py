"""Decoding routes: the canonical question, its reply drawn or scored in another way (T1 and T2)."""

from __future__ import annotations

from vlmunl.routes.route import Route

ROUTES: tuple[Route, ...] = ()
