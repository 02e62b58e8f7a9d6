"""Attack routes: the canonical question after something was done to the model (T3 to T5)."""

from __future__ import annotations

from vlmunl.routes.route import Route

ROUTES: tuple[Route, ...] = ()
