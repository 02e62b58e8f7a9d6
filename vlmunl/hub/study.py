"""A study as it is to be published just now, with its card."""

from __future__ import annotations

from vlmunl.hub.card import study_card
from vlmunl.hub.card_front import FILE
from vlmunl.hub.published import Publication, publication
from vlmunl.manifests.plan import AGGREGATE, Plan
from vlmunl.manifests.states import Board
from vlmunl.store import Store
from vlmunl.workspace import Workspace


def published_study(plan: Plan, store: Store, workspace: Workspace, repo: str) -> Publication:
    """What is to lie in `repo`. Raises what `publication` raises."""
    board = Board(plan, store)
    extra = {FILE: study_card(plan, board, repo)} if board[AGGREGATE].done else {}
    return publication(plan, board, store, workspace, extra)
