"""The report in a real browser: no message, no request, filters, comparison, records; wide and narrow, light and dark."""

from __future__ import annotations

import pytest

from tests.report.browser import PROGRAM, Browser
from vlmunl.report.missing import page as missing_page

pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium: apt-get install chromium"),
]
LINES = "document.querySelectorAll('#c-items .pair:not(.top)').length"


@pytest.fixture(scope="module")
def browser():
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def shown(browser, made):
    """The report on a desk, its charts drawn and its comparison made."""
    return _open(browser, made.file)


def _open(browser, file, width=1280, *, dark=False):
    browser.open(file, width, dark=dark)
    browser.wait("document.body.dataset.charts === 'drawn'")
    browser.wait("document.querySelector('#c-items .pair.top')")
    return browser


def _set(browser, element, value):
    browser.run(
        f"(() => {{ const e = document.getElementById('{element}'); e.value = '{value}';"
        "e.dispatchEvent(new Event('change')); e.dispatchEvent(new Event('input')); })()"
    )


def _said(browser):
    return browser.run("document.getElementById('c-said').textContent")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_loads_without_a_message_a_request_or_a_sideways_scroll(browser, made, width, dark):
    page = _open(browser, made.file, width, dark=dark)
    assert page.said == []
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    assert page.requests.count(made.file.as_uri()) == 1
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run("window.broken") is None
    charts = page.run("[...document.querySelectorAll('.plot')].map((p) => p.querySelectorAll('svg').length)")
    assert len(charts) == 5
    assert all(charts)
    light = page.run("getComputedStyle(document.body).backgroundColor")
    assert (light == "rgb(21, 23, 26)") is dark


def test_a_request_is_stopped_and_a_foreign_script_does_not_run(shown):
    why = "fetch('https://example.org/x').then(() => 'went out', (error) => 'stopped')"
    assert shown.run(why) == "stopped"
    shown.run(
        "document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.broken = 3'}))"
    )
    assert shown.run("window.broken") is None
    assert any("Content Security Policy" in said for said in shown.said)


def test_hostile_words_are_shown_as_words(shown):
    assert "</script><script>window.broken" in shown.run("document.querySelector('.card .text').textContent")
    label = shown.run("document.querySelector('#m-ga summary b').textContent")
    assert label.startswith("</script><script>")
    assert shown.run("document.querySelectorAll('img[onerror]').length") == 0


def test_filters_hold_for_the_comparison_and_the_examples(shown):
    whole = _said(shown)
    person = shown.run("document.querySelector('#c-items .pair:not(.top)').dataset.person")
    _set(shown, "f-person", person)
    shown.wait(f"document.getElementById('c-said').textContent !== {whole!r}")
    assert set(
        shown.run("[...document.querySelectorAll('#c-items .pair[data-person]')].map((p) => p.dataset.person)")
    ) == {person}
    assert set(shown.run("[...document.querySelectorAll('.card')].map((c) => c.dataset.person)")) <= {person}
    _set(shown, "f-route", "canonical")
    shown.wait(
        "[...document.querySelectorAll('#c-items .pair[data-route]')].every((p) => p.dataset.route === 'canonical')"
    )
    _set(shown, "f-status", "refusal")
    shown.wait("!document.querySelector('#c-items .side:nth-child(2):not(.refusal)')")
    _set(shown, "f-tier", "T0")
    _set(shown, "f-seed", "0")
    assert shown.run("document.getElementById('f-count').textContent") == "5 set"
    shown.run("document.getElementById('f-clear').click()")
    shown.wait(f"document.getElementById('c-said').textContent === {whole!r}")
    _set(shown, "f-search", "nobody says this")
    shown.wait(f"{LINES} === 0")
    _set(shown, "f-search", "")
    shown.wait(f"{LINES} > 0")


def test_two_models_are_compared_down_to_the_item(shown):
    _set(shown, "c-a", "npo")
    _set(shown, "c-b", "ga")
    shown.wait("document.querySelector('.pair.top').textContent.includes('A: npo')")
    first = _said(shown)
    _set(shown, "c-show", "score")
    shown.wait(f"document.getElementById('c-said').textContent !== {first!r}")
    both = shown.run(
        "document.getElementById('c-said').textContent.match(/both right (\\d+).*neither (\\d+)/).slice(1)"
    )
    assert both == ["0", "0"]
    sides = "[...document.querySelectorAll('#c-items .pair:not(.top)')].map((p) => [...p.querySelectorAll('.side')].map((s) => s.classList.contains('correct')))"
    assert all(a != b for a, b in shown.run(sides))
    only = shown.run("document.getElementById('c-said').textContent.match(/only A (\\d+), only B (\\d+)/).slice(1)")
    shown.run("document.getElementById('c-swap').click()")
    shown.wait("document.querySelector('.pair.top').textContent.includes('B: npo')")
    swapped = shown.run("document.getElementById('c-said').textContent.match(/only A (\\d+), only B (\\d+)/).slice(1)")
    assert swapped == only[::-1]
    numbers = shown.run("document.querySelector('#c-numbers table').textContent")
    assert "wcr.lower" in numbers
    shown.run("document.querySelector('#c-items .pair details summary').click()")
    shown.wait("document.querySelector('#c-items .pair details pre')")
    assert "user: " in shown.run("document.querySelector('#c-items .pair details pre').textContent")
    assert shown.run("document.querySelector('#c-items .pair details a').textContent").startswith("eval/")


def test_a_number_leads_to_its_records_and_to_the_command(shown):
    shown.run("document.querySelector('.headline [data-f=\"npo.wcr\"]').click()")
    shown.wait("document.getElementById('origin').open")
    assert "vlmunl trace small npo.wcr" in shown.run("document.getElementById('origin').textContent")
    shown.run("document.querySelector('#origin a[href*=\"npo\"]').click()")
    shown.wait("document.getElementById('origin-title').textContent === 'eval/npo/seed0'")
    text = shown.run("document.getElementById('origin').textContent")
    assert "vlmunl show eval/npo/seed0" in text
    assert "run key" in text
    assert "sha256" in text
    assert "[object" not in shown.run("document.body.textContent")
    shown.run("document.querySelector('#origin .close').click()")
    shown.wait("!document.getElementById('origin').open && !location.hash")


def test_the_questions_behind_a_number_can_be_seen(shown):
    shown.run("document.querySelector('.headline [data-f=\"npo.canonical\"]').click()")
    shown.wait("document.getElementById('origin').open")
    shown.run(
        "[...document.querySelectorAll('#origin button')].find((b) => b.textContent.startsWith('its questions')).click()"
    )
    shown.wait(
        "[...document.querySelectorAll('#c-items .pair[data-route]')].every((p) => p.dataset.route === 'canonical')"
    )
    assert shown.run("document.getElementById('c-a').value") == "npo"


def test_every_link_of_the_records_opens_its_record(shown):
    for cell in shown.run("[...document.querySelectorAll('#r-items a')].map((a) => a.textContent)"):
        shown.run(f"[...document.querySelectorAll('#r-items a')].find((a) => a.textContent === '{cell}').click()")
        shown.wait(
            f"document.getElementById('origin').open && document.getElementById('origin-title').textContent === '{cell}'"
        )
        shown.run("document.getElementById('origin').close()")
    _set(shown, "r-status", "failed-gate")
    assert "failed-gate" in shown.run("document.getElementById('r-items').textContent")


def test_each_chart_is_also_a_table_with_the_same_numbers(shown):
    for name in ("dumbbell", "heat", "utility", "gate", "curves"):
        shown.run(f"document.querySelector('#chart-{name} summary').click()")
        shown.wait(f"document.querySelector('#chart-{name} table')")
    lines = shown.run("document.querySelectorAll('#chart-heat tbody tr').length")
    live = shown.run("data.routes.filter((r) => r.live).length")
    assert lines == live > 0
    drawn = shown.run("document.querySelector('#chart-heat .plot').data[0].z.flat().filter((z) => z !== null).length")
    assert drawn == live * shown.run("document.querySelector('#chart-heat .plot').data[0].x.length")


def test_the_keyboard_is_enough(shown):
    shown.run("document.querySelector('.headline [data-f]').focus()")
    for kind in ("keyDown", "keyUp"):
        shown.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    shown.wait("document.getElementById('origin').open")
    assert shown.run("document.getElementById('origin').contains(document.activeElement)")
    for kind in ("keyDown", "keyUp"):
        shown.call("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape", windowsVirtualKeyCode=27)
    shown.wait("!document.getElementById('origin').open")
    assert shown.run("document.activeElement.dataset.f") is not None  # back where it was


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_of_what_is_missing(browser, tmp_path, width):
    file = tmp_path / "missing.html"
    file.write_text(missing_page("small", [("eval/npo/seed0", "pending", "not run yet")] * 60))
    browser.open(file, width)
    assert browser.said == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert "vlmunl run small" in browser.run("document.body.innerText")
    assert "and 20 more" in browser.run("document.body.textContent")
