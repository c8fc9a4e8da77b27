"""Rewriting a document changes what was asked for and keeps every other byte."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specweave.errors import SpecError
from specweave.files.documents import Document

# A busy machine is slow; that is no property of a document.
calm = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.text(
    alphabet=st.characters(blacklist_characters="\r\n", blacklist_categories=("Cs",)), max_size=30
)
LINE = st.one_of(
    WORDS,
    st.builds(lambda t, x: f"- [{x}] {t}", WORDS, st.sampled_from(" xX")),
    st.builds(lambda t, x: f"  * [{x}]  {t}", WORDS, st.sampled_from(" xX")),
    st.builds(lambda k, v: f"- {k}: {v}", WORDS, WORDS),
    st.builds(lambda n, t: f"{'#' * n} {t}", st.integers(1, 6), WORDS),
    st.sampled_from(
        ["```yaml", "```", "~~~", "````", "---", "\f", "a\u2028b", "<!-- a comment -->", "| a | b |"]
    ),
)
ENDING = st.sampled_from(["\n", "\r\n"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Return any Markdown, with either line ending or both, with or without one at the end."""
    lines = draw(st.lists(st.tuples(LINE, ENDING), max_size=25))
    text = "".join(line + ending for line, ending in lines)
    return text if draw(st.booleans()) else text.rstrip("\r\n")


@calm
@given(documents())
def test_reading_keeps_every_byte(text: str) -> None:
    document = Document(text)
    assert "".join(document.lines) == document.text == text
    assert len(document.lines) == len(re.findall(r"\n", text)) + (not text.endswith("\n") and bool(text))


def readable(text: str) -> Document | None:
    """Return the document, or None where it is no document (an open front matter)."""
    try:
        document = Document(text)
        document.checkboxes()
    except SpecError:
        return None
    return document


@calm
@given(documents(), st.data())
def test_ticking_changes_one_character_of_one_line(text: str, data: st.DataObject) -> None:
    document = readable(text)
    if document is None or not document.checkboxes():
        return
    box = data.draw(st.sampled_from(document.checkboxes()))
    changed = document.with_tick(box.line, not box.ticked)
    differing = [i for i, (a, b) in enumerate(zip(text, changed.text, strict=True)) if a != b]
    assert len(differing) == 1
    assert text[: differing[0]].count("\n") + 1 == box.line
    back = changed.with_tick(box.line, box.ticked).text
    assert back.replace("[X]", "[x]") == text.replace("[X]", "[x]")
    assert document.with_tick(box.line, box.ticked).text == text


@calm
@given(documents(), st.text(alphabet="ab|\n -x", max_size=40))
def test_a_managed_block_is_replaced_and_nothing_else(text: str, body: str) -> None:
    document = readable(text)
    if document is None:
        return
    first = document.with_managed_block("results", "old\n")
    # Appended: what was there is untouched (a last line without an ending gets one).
    assert first.text.startswith(text)
    begin, end = (
        first.text.index("<!-- specweave:begin results -->"),
        first.text.index("<!-- specweave:end results -->"),
    )
    second = first.with_managed_block("results", body)
    marker = "<!-- specweave:begin results -->" + first.newline
    assert second.text.startswith(first.text[:begin] + marker)
    assert second.text.endswith(first.text[end:])
    wanted = body if body.endswith("\n") or not body else body + "\n"
    found = second.managed_block("results")
    assert found is not None
    assert found[0].replace("\r\n", "\n") == wanted
    assert second.with_managed_block("results", body).text == second.text


@calm
@given(documents(), st.sampled_from(["status", "title"]), st.sampled_from(["done", "active", '"0042"']))
def test_a_front_value_is_set_and_nothing_else(text: str, key: str, value: str) -> None:
    head = "---\nid: 1\nstatus: planned\n---\n"
    document = Document(head + text)
    changed = document.with_front_value(key, value)
    assert changed.text.endswith("---\n" + text)
    front = changed.front_matter()
    assert front is not None and f"{key}: {value}\n" in front[0] and "id: 1\n" in front[0]
    assert changed.with_front_value(key, value).text == changed.text


@calm
@given(documents(), documents(), st.text(alphabet="abc: \n", max_size=30).map(lambda t: t + "\n"))
def test_the_inside_of_a_fence_is_replaced_and_nothing_else(before: str, after: str, body: str) -> None:
    text = f"{before}\n\n```yaml\nold: 1\n```\n{after}"
    document = Document(text)
    try:
        fences = [f for f in document.fences("yaml") if f.body == "old: 1\n"]
    except SpecError:  # a fence of `before` or `after` is not closed
        return
    if len(fences) != 1:
        return
    fence = fences[0]
    changed = document.with_fence_body(fence, body)
    head, tail = "".join(document.lines[: fence.open_line]), "".join(document.lines[fence.close_line - 1 :])
    assert changed.text.startswith(head) and changed.text.endswith(tail)
    assert changed.text[len(head) : len(changed.text) - len(tail)].replace("\r\n", "\n") == body


@calm
@given(documents())
def test_bullets_headings_and_boxes_are_lines_of_the_text(text: str) -> None:
    document = readable(text)
    if document is None:
        return
    for bullet in document.bullets():
        assert bullet.text in document.lines[bullet.line - 1]
    for section in document.sections():
        assert document.lines[section.line - 1].startswith("#" * section.level)
        assert section.line < section.end <= len(document.lines) + 1
