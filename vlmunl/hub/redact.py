"""No token in any message, log line, exception or receipt."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

_TOKENS = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{8,}")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_SIGNED = re.compile(r"(https?://[^\s'\"<>?]+)\?[^\s'\"<>]+")
_LOGIN = re.compile(r"(https?://)[^/\s'\"@]+@")
HIDDEN = "***"


class Redactor:
    """Replaces a token, whatever looks like one, the queries of signed addresses, and logins in addresses."""

    def __init__(self, token: str | None = None) -> None:
        self._literal = sorted({token, quote(token, safe="")}, key=len, reverse=True) if token else []

    def __call__(self, text: str) -> str:
        """The text without them."""
        for literal in self._literal:
            text = text.replace(literal, HIDDEN)
        text = _BEARER.sub(rf"\1 {HIDDEN}", _TOKENS.sub(HIDDEN, text))
        return _LOGIN.sub(rf"\1{HIDDEN}@", _SIGNED.sub(rf"\1?{HIDDEN}", text))

    def is_clean(self, error: BaseException) -> bool:
        """May this exception, with all that led to it, be shown in a traceback?"""
        seen: BaseException | None = error
        for _ in range(20):
            if seen is None:
                return True
            if any(self(text) != text for text in (str(seen), repr(seen))):
                return False
            seen = seen.__cause__ or seen.__context__
        return False

    @contextmanager
    def logging(self) -> Iterator[None]:
        """Within this block every log line of the process passes through here."""
        before = logging.getLogRecordFactory()

        def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = before(*args, **kwargs)
            try:
                record.msg, record.args = self(record.getMessage()), ()
            except Exception:
                record.msg, record.args = self(str(record.msg)), ()
            if record.exc_info and record.exc_info[1] is not None and not self.is_clean(record.exc_info[1]):
                record.exc_info = None
            return record

        logging.setLogRecordFactory(factory)
        try:
            yield
        finally:
            logging.setLogRecordFactory(before)
