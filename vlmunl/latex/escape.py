"""Make any text safe inside LaTeX, HTML or Markdown. Every label, reason and id passes through here."""

from __future__ import annotations

import html
import re
import unicodedata

_TEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "\u2212": r"$-$",
    "\u2264": r"$\leq$",
    "\u2265": r"$\geq$",
    "\u00d7": r"$\times$",
    "\u00b1": r"$\pm$",
    "\u2192": r"$\rightarrow$",
    "\u03c1": r"$\rho$",
}
_PUNCTUATION = frozenset("\u2013\u2014\u2018\u2019\u201c\u201d\u2026")  # set by pdflatex as they are
# letters below U+0180 that the T1 encoding lacks
_NOT_IN_T1 = frozenset("\u0126\u0127\u0138\u013f\u0140\u0149\u0166\u0167\u017f")
_MINUS = re.compile(r"(?<![\w\]})-])-(?=\.?\d)")
_LIGATURE = re.compile(r"([-',])(?=\1)")


def tex(text: str) -> str:
    """Escape for LaTeX text mode (T1, UTF-8). A hyphen before a number becomes a minus sign.

    A character that pdflatex cannot set is written as its code point, so nothing vanishes silently.
    """
    marked = _MINUS.sub("\u2212", _one_line(text))
    return _LIGATURE.sub(r"\1{}", "".join(_tex_character(character) for character in marked))


def _tex_character(character: str) -> str:
    if character in _TEX:
        return _TEX[character]
    if character in _PUNCTUATION:
        return character
    settable = " " <= character < "\u0180" and not "\x7f" <= character < "\u00a0" and character not in _NOT_IN_T1
    return character if settable else f"[U+{ord(character):04X}]"


def markup(text: str) -> str:
    """Escape for HTML text and double-quoted attributes; a hyphen before a number becomes a minus sign."""
    return html.escape(_MINUS.sub("\u2212", _one_line(text)), quote=True)


_MARKDOWN = re.compile(r"[\\`*<|~$]|&(?=[#\w])|(?<![^\W_])_|_(?![^\W_])|(?<=\])\(")


def markdown(text: str) -> str:
    """Escape for a GitHub table cell; an underscore inside a word needs no escape and stays readable."""
    return _MARKDOWN.sub(lambda match: "\\" + match[0], _one_line(text))


def _one_line(text: str) -> str:
    """Fold white space and control characters into single spaces: a cell or note is one line."""
    return " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in text).split())
