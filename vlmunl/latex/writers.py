"""Write a `Table` as LaTeX, Markdown, CSV or HTML. The same table always gives the same bytes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from importlib.resources import files

from vlmunl.latex import escape
from vlmunl.latex.table import Cell, Column, Group, Raw, Table

_TEX_FIT = r"\providecommand{\vlmfit}[1]{#1}"  # a paper may define it to scale a table that is too wide
_TEX_BREAK = r"\\"
_TEX_COLUMN = {"left": "l", "right": "r", "center": "c", "interval": "r@{\\ }l"}
_TEX_EMPHASIS = {"plain": "{}", "strong": r"\textbf{{{}}}", "faint": r"\textit{{{}}}", "alike": r"\underline{{{}}}"}
_CSV_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARKDOWN_RULE = {"left": ":--", "right": "--:", "center": ":-:", "interval": "--:"}
_MARKDOWN_EMPHASIS = {"plain": "{}", "strong": "**{}**", "faint": "_{}_", "alike": "<u>{}</u>"}
_HTML_EMPHASIS = {"plain": "{}", "strong": "<strong>{}</strong>", "faint": "<em>{}</em>", "alike": "<u>{}</u>"}


# LaTeX: a bare tabular and its notes, for a float that the paper owns; needs booktabs only -----------------------


def to_tex(table: Table) -> str:
    """A booktabs `tabular` with its notes below, to be `\\input` inside a float."""
    marks = table.marks
    spec = "".join(_TEX_COLUMN[column.align] for column in table.columns)
    header = " & ".join(_tex_header(column, marks) for column in table.columns)
    body = "\\midrule\n".join(_tex_group(group, table, marks) for group in table.groups if group.rows)
    lines = [f"% {escape.tex(table.provenance)}", _TEX_FIT, r"\vlmfit{%", rf"\begin{{tabular}}{{@{{}}{spec}@{{}}}}"]
    lines += [r"\toprule", rf"{header} \\", r"\midrule", body + r"\bottomrule", r"\end{tabular}}"]
    lines += _tex_notes(table, marks)
    return "\n".join(lines) + "\n"


def _tex_header(column: Column, marks: Mapping[str, str]) -> str:
    side = "l" if column.align == "left" else "c" if column.align in ("center", "interval") else "r"
    parts = [escape.tex(part) for part in column.header.split("\n")]
    parts[-1] += _tex_mark(column.note, marks)
    text = parts[0] if len(parts) == 1 else rf"\shortstack[{side}]{{{_TEX_BREAK.join(parts)}}}"
    return rf"\multicolumn{{2}}{{c}}{{{text}}}" if column.align == "interval" else text


def _tex_group(group: Group, table: Table, marks: Mapping[str, str]) -> str:
    width = len(table.columns) + sum(column.align == "interval" for column in table.columns)
    title = [rf"\multicolumn{{{width}}}{{@{{}}l}}{{\textit{{{escape.tex(group.title)}}}}} \\"] if group.title else []
    rows = (
        " & ".join(_tex_cell(cell, column, marks) for cell, column in zip(row, table.columns, strict=True)) + r" \\"
        for row in group.rows
    )
    return "\n".join([*title, *map(_tex_line_start, rows)]) + "\n"


def _tex_line_start(line: str) -> str:
    """A row that starts with `[` or `*` would be read as an argument of the `\\\\` before it."""
    return "{}" + line if line.startswith(("[", "*")) else line


def _tex_cell(cell: Cell, column: Column, marks: Mapping[str, str]) -> str:
    text = escape.tex(cell.text)
    text = (_TEX_EMPHASIS[cell.emphasis].format(text) if text else "") + _tex_mark(cell.note, marks)
    if column.align != "interval":
        return text
    return f"{text} & {escape.tex(cell.aside)}" if cell.aside else rf"\multicolumn{{2}}{{c}}{{{text}}}"


def _tex_mark(note: str, marks: Mapping[str, str]) -> str:
    return rf"\textsuperscript{{{marks[note]}}}" if note else ""


def _tex_notes(table: Table, marks: Mapping[str, str]) -> list[str]:
    notes = [rf"\textsuperscript{{{mark}}}\,{escape.tex(note)}" for note, mark in marks.items()]
    notes += [_tex_line_start(escape.tex(note)) for note in table.notes]
    lines = [rf"{note}\par" for note in notes] + tex_background(table.background)
    if not lines:
        return []
    opening = r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize\raggedright"
    return [opening, *lines, r"\end{minipage}"]


def tex_background(notes: tuple[str, ...]) -> list[str]:
    """Notes that a paper may say once: it defines `\\vlmbackground` to leave them out elsewhere."""
    if not notes:
        return []
    whole = "\\par\n".join(_tex_line_start(escape.tex(note)) for note in notes)
    return [r"\providecommand{\vlmbackground}[1]{#1}", rf"\vlmbackground{{{whole}\par}}"]


# Markdown --------------------------------------------------------------------------------------------------------


def to_markdown(table: Table) -> str:
    """A GitHub table with title and notes; a group's title is a row of its own."""
    marks = table.marks
    header = [escape.markdown(column.header) + _plain_mark(column.note, marks) for column in table.columns]
    lines = [f"<!-- {escape.markup(table.provenance)} -->", f"**{escape.markdown(table.title)}**", ""]
    lines += [_markdown_row(header), _markdown_row([_MARKDOWN_RULE[column.align] for column in table.columns])]
    for group in table.groups:
        if group.title and group.rows:
            lines.append(_markdown_row([f"_{escape.markdown(group.title)}_"] + [""] * (len(table.columns) - 1)))
        lines += [_markdown_row([_markdown_cell(cell, marks) for cell in row]) for row in group.rows]
    notes = [f"- ({mark}) {escape.markdown(note)}" for note, mark in marks.items()]
    notes += [f"- {escape.markdown(note)}" for note in (*table.notes, *table.background)]
    return "\n".join([*lines, "", *notes] if notes else lines) + "\n"


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(cell: Cell, marks: Mapping[str, str]) -> str:
    text = _MARKDOWN_EMPHASIS[cell.emphasis].format(escape.markdown(cell.text)) if cell.text else ""
    aside = f" {escape.markdown(cell.aside)}" if cell.aside else ""
    return text + aside + _plain_mark(cell.note, marks)


def _plain_mark(note: str, marks: Mapping[str, str]) -> str:
    return f" ({marks[note]})" if note else ""


# CSV: unrounded values, no markup, one header line ---------------------------------------------------------------


def to_csv(table: Table) -> str:
    """Raw values (RFC 4180 quoting, `\\n` line ends); what is not defined is `NA`, what is missing its status."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    fields = [field for column in table.columns for field in column.fields]
    header = ["group", *fields, *(name for name, _ in table.constants)]
    writer.writerow([_csv_value(field) for field in header])
    for group in table.groups:
        for row in group.rows:
            values = [value for cell in row for value in cell.raw]
            constants = (value for _, value in table.constants)
            writer.writerow([_csv_value(value) for value in (group.title, *values, *constants)])
    return out.getvalue()


def _csv_value(value: Raw) -> str | int | float:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay as they are."""
    if value is None:
        return "NA"
    return f"'{value}" if isinstance(value, str) and value.startswith(_CSV_FORMULA) else value


# HTML: one fragment that carries its own style -------------------------------------------------------------------


def to_html(table: Table) -> str:
    """A `<figure>` with caption, column and row headers, and notes; scrolls sideways where it is too wide."""
    marks, name = table.marks, escape.markup(table.name)
    style = files("vlmunl.latex").joinpath("assets/table.css").read_text(encoding="utf-8").strip()
    header = "".join(
        f'<th scope="col" class="{column.align}">'
        + "<br>".join(escape.markup(part) for part in column.header.split("\n"))
        + f"{_html_mark(column.note, marks, name)}</th>"
        for column in table.columns
    )
    lines = [f"<!-- {escape.markup(table.provenance)} -->", f'<figure class="vlmunl-table" id="{name}">']
    lines += [f"<style>\n{style}\n</style>"]
    lines += [f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{name}-caption">', "<table>"]
    lines += [
        f'<caption id="{name}-caption">{escape.markup(table.title)}</caption>',
        f"<thead><tr>{header}</tr></thead>",
    ]
    lines += [_html_group(group, table, marks) for group in table.groups if group.rows]
    return "\n".join([*lines, "</table>", "</div>", *_html_notes(table, marks), "</figure>"]) + "\n"


def _html_group(group: Group, table: Table, marks: Mapping[str, str]) -> str:
    width, title = len(table.columns), escape.markup(group.title)
    lines = ["<tbody>"]
    if title:
        lines.append(f'<tr><th scope="rowgroup" colspan="{width}">{title}</th></tr>')
    for row in group.rows:
        cells = [_html_cell(cell, column, marks, table.name) for cell, column in zip(row, table.columns, strict=True)]
        first = f'<th scope="row">{cells[0]}</th>'
        rest = (
            f'<td class="{column.align}">{cell}</td>' for cell, column in zip(cells[1:], table.columns[1:], strict=True)
        )
        lines.append(f"<tr>{first}{''.join(rest)}</tr>")
    return "\n".join([*lines, "</tbody>"])


def _html_cell(cell: Cell, column: Column, marks: Mapping[str, str], name: str) -> str:
    text = _HTML_EMPHASIS[cell.emphasis].format(escape.markup(cell.text)) if cell.text else ""
    aside = f' <span class="aside">{escape.markup(cell.aside)}</span>' if cell.aside else ""
    return text + aside + _html_mark(cell.note, marks, escape.markup(name))


def _html_mark(note: str, marks: Mapping[str, str], name: str) -> str:
    return f'<sup><a href="#{name}-{marks[note]}">{marks[note]}</a></sup>' if note else ""


def _html_notes(table: Table, marks: Mapping[str, str]) -> list[str]:
    name = escape.markup(table.name)
    notes = [f'<li id="{name}-{mark}"><sup>{mark}</sup> {escape.markup(note)}</li>' for note, mark in marks.items()]
    notes += [f"<li>{escape.markup(note)}</li>" for note in (*table.notes, *table.background)]
    return ["<figcaption><ul>", *notes, "</ul></figcaption>"] if notes else []


WRITERS: Mapping[str, Callable[[Table], str]] = {
    "tex": to_tex,
    "md": to_markdown,
    "csv": to_csv,
    "html": to_html,
}
