"""Tokens and signed addresses are taken out of every text, log line and error."""

from __future__ import annotations

import logging

import pytest

from vlmunl.hub.client import Hub
from vlmunl.hub.failures import Failure, explained
from vlmunl.hub.redact import Redactor

TOKEN = "hf_" + "a1B2" * 8


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (f"token {TOKEN} is bad", "token *** is bad"),
        ("hf_" + "zZ9" * 10 + " of another", "*** of another"),
        ("an odd.token/x here", "an *** here"),
        ("in a url odd.token%2Fx too", "in a url *** too"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("PUT https://s3/x?X-Amz-Signature=ab&c=d failed", "PUT https://s3/x?*** failed"),
        ("https://me:pass@host/x", "https://***@host/x"),
        ("https://host/x nothing", "https://host/x nothing"),
    ],
)
def test_texts(text: str, clean: str) -> None:
    assert Redactor("odd.token/x")(text) == clean


def test_log_lines_and_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    redact = Redactor(TOKEN)
    with redact.logging():
        logging.getLogger("huggingface_hub.x").warning("with %s in it", TOKEN)
        try:
            raise ValueError(TOKEN)
        except ValueError:
            logging.getLogger("x").exception("broke")
    logging.getLogger("x").warning("after %s", "it")
    assert TOKEN not in caplog.text
    assert "with *** in it" in caplog.text
    assert "after it" in caplog.text


def test_an_exception_is_only_shown_if_all_that_led_to_it_is_clean() -> None:
    redact = Redactor(TOKEN)
    outer = RuntimeError("outer")
    outer.__cause__ = ValueError("inner")
    assert redact.is_clean(outer)
    outer.__cause__.__context__ = OSError(TOKEN)
    assert not redact.is_clean(outer)


@pytest.mark.parametrize("status", [None, 400, 401, 403, 404, 409, 412, 413, 418, 429, 500, 507])
@pytest.mark.parametrize("kind", ["answer", "missing", "network", "transfer", "card"])
def test_no_error_repeats_a_token_whatever_the_hub_says(status: int | None, kind: str) -> None:
    hub = Hub(repo="lab/study", endpoint=f"http://me:{TOKEN}@127.0.0.1:1", token=TOKEN)
    failure = Failure(kind=kind, status=status, text=f"bad {TOKEN} https://s3/x?sig=1")  # type: ignore[arg-type]
    for sent in (False, True):
        error = explained(failure, "looking", hub, sent=sent)
        assert TOKEN not in error.message + error.hint
        assert "sig=1" not in error.message
        assert 10 <= error.exit_code <= 19


def test_the_client_does_not_show_its_token() -> None:
    assert TOKEN not in repr(Hub(repo="lab/study", endpoint="http://127.0.0.1:1", token=TOKEN))
