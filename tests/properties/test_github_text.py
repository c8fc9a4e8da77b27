"""Foreign text in issues, comments, annotations and XML reads as written and does nothing else."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from built_increment import build_increment, build_project
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from specweave.increments.project import Project
from specweave.integrations.ci.annotations import Annotation, render_annotation
from specweave.integrations.ci.judging import Check, Judged, Problem
from specweave.integrations.ci.junit import render_junit
from specweave.integrations.ci.report import render_comment
from specweave.integrations.github.issue_text import (
    find_mark,
    merge_body,
    parse_body,
    render_block,
)
from specweave.integrations.github.issue_text import (
    render_comment as render_change,
)
from specweave.integrations.github.sticky import LONGEST_COMMENT
from specweave.integrations.markdown import code, escape, one_line, table
from specweave.integrations.standing import BestModel, CriterionLine, GateLine, Standing, load_standing
from specweave.records import Metric

# Pieces that mean something to Markdown, HTML, GitHub or our own marks, between letters.
NASTY = ["*", "_", "`", "```", "|", "\\", "\\|", "<b>", "</td>", "&amp;", "&", "[a](http://x)", "![i](u)", "# ", "- ",
         "1. ", "1) ", "> ", "~~", "$x$", "@team/all", "#12", "GH-3", "-->", "<!--", "<!-- specweave:end issue -->",
         "<!-- specweave:increment=0001-other -->", "::error::", "%0A", "\n", "\r\n", "\u2028", "\x00", "\u202e", "---",
         "===", "|---|", "]]>", ":", ",", "%", "é", "🙂", "\ud800"]  # fmt: skip
nasty = st.lists(
    st.one_of(st.sampled_from(NASTY), st.text(max_size=5), st.sampled_from([" ", "a", "7"])), max_size=12
).map("".join)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def texts(markdown: str, kind: str) -> list[str]:
    """Return the text of each block of a kind as a reader sees it; anything but text in it is an error."""
    found, inside = [], False
    for token in MARKDOWN.parse(markdown):
        if token.type == f"{kind}_open":
            inside = True
        elif token.type == f"{kind}_close":
            inside = False
        elif token.type == "inline" and inside:
            shown = ""
            for child in token.children or []:
                assert child.type in ("text", "text_special") or child.content == "<!-- -->", child
                shown += "" if child.content == "<!-- -->" else child.content
            found.append(shown)
    return found


def seen(text: str) -> str:
    """Return what GitHub's reader should see of a text."""
    return one_line(text)


@given(nasty)
def test_escaped_text_reads_as_written(text: str) -> None:
    if seen(text):
        assert texts(escape(text), "paragraph") == [seen(text)]


@given(nasty, nasty)
def test_a_cell_stays_a_cell(a: str, b: str) -> None:
    shown = texts(table(("x", "y"), [(escape(a), escape(b))]), "td")
    assert shown == [seen(a), seen(b)]


@given(nasty)
def test_nobody_is_called_and_no_issue_is_linked(text: str) -> None:
    # As GitHub looks for them: a sign after something that is no part of a word.
    assert not re.search(r"(?<![\w&])@\w", escape(text))
    assert not re.search(r"(?<![\w&])(?:#|GH-)\d", escape(text), re.I)


@given(nasty)
def test_code_keeps_to_one_span(text: str) -> None:
    tokens = [t for t in MARKDOWN.parse(f"x {code(text)} y") if t.type == "inline"]
    assert len(tokens) == 1
    shown = "".join("" if c.content == "<!-- -->" else c.content for c in tokens[0].children or [])
    assert " ".join(shown.split()) == " ".join(f"x {one_line(text, 200)} y".split())


# -- issues ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Standing:
    return load_standing(build_increment(build_project(tmp_path_factory.mktemp("text") / "p")))


def with_text(standing: Standing, text: str) -> Standing:
    """Return the standing with a text everywhere where one can come from outside."""
    metric = Metric(name=text or "m", value=0.5, unit=text)
    fields = {"document": "spec.md", "line": 1, "note": text, "fix": text}
    return dataclasses.replace(
        standing,
        spec=dataclasses.replace(standing.spec, title=text, request=text),
        criteria=[CriterionLine(text, measured=text, verdict="fail", blocks=True, waived=text, **fields)],
        tasks=[GateLine(name=text, passed=False, **fields)],
        metrics=[metric],
        best=BestModel(text, text, metric, text, text),
        amendments=[text],
        experiments={"completed": 1},
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=nasty, around=nasty)
@example(text="", around="*\r")
@example(text="", around="\r")
def test_a_block_is_found_again_whatever_stands_in_it(standing: Standing, text: str, around: str) -> None:
    block = render_block(with_text(standing, text))
    around = around.replace("<!-- specweave:", "")
    body = merge_body(around, block)
    state = parse_body(body)
    assert not state.edited and state.increment == standing.increment.id == find_mark(body)
    assert state.best is not None and state.best["experiment"] == text
    assert merge_body(body, block) == body and body.startswith(around)
    assert len(re.findall(r"^<!-- specweave:(?:begin|end|increment|state)", body, re.M)) == 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=nasty)
def test_a_comment_is_one_table_with_its_mark_first(standing: Standing, text: str) -> None:
    best = {"experiment": text, "algorithm": text, "metric": text, "value": 0.5, "version": text}
    told = render_change("0042-x", best, {**best, "experiment": f"{text}2"})
    assert re.match(r"<!-- specweave:comment=[0-9a-f]{16} -->\n", told)
    rows = [t for t in MARKDOWN.parse(told) if t.type == "tr_open"]
    assert len(rows) == 5


# -- CI ----------------------------------------------------------------------------------------------


def read_annotation(line: str) -> Annotation:
    """Read a workflow command as GitHub's runner does."""
    match = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line)
    assert match, line

    def plain(text: str, more: bool = False) -> str:
        for escaped, character in [("%3A", ":"), ("%2C", ",")] if more else []:
            text = text.replace(escaped, character)
        return text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")

    fields = {k: plain(v, more=True) for k, _, v in (part.partition("=") for part in match[2].split(","))}
    return Annotation(match[1], fields["file"], int(fields["line"]), fields["title"], plain(match[3]))  # type: ignore[arg-type]


@given(nasty, nasty, nasty)
def test_an_annotation_is_one_line_that_reads_back(file: str, title: str, message: str) -> None:
    line = render_annotation(Annotation("error", file, 3, title, message))
    assert "\n" not in line and "\r" not in line
    back = read_annotation(line)
    assert (back.file, back.line, back.title, back.message) == (file, 3, one_line(title, 200), message)


def as_xml(text: str) -> str:
    """Return a text as XML 1.0 can hold it."""
    return "".join(
        c if re.match("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", c) else "\ufffd"
        for c in text
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=nasty)
def test_junit_is_valid_xml_for_any_text(standing: Standing, text: str) -> None:
    project = Project(Path("nowhere"))
    judged = Judged(text, dataclasses.replace(with_text(standing, text), experiments={"completed": 1}))
    broken = Judged("b", None, Problem({"message": text, "fix": text}, text, 2))
    rendered = render_junit(Check(project, judged=[judged, broken]))
    root = ET.fromstring(rendered.encode("utf-8"))
    assert root.get("tests") == "3" and root.get("failures") == "2" and root.get("errors") == "1"
    case = root.find("testsuite/testcase")
    assert case is not None and case.get("name") == as_xml(text)
    comment = render_comment(Check(project, judged=[judged, broken]))
    assert comment.startswith("<!-- specweave:ci -->\n") and len(comment) <= LONGEST_COMMENT


def test_text_that_github_would_not_take_is_cut_and_says_so(standing: Standing) -> None:
    many = [CriterionLine("x" * 290, "spec.md", 1, "y" * 290, "fail", True, note="z" * 290)] * 500
    large = dataclasses.replace(standing, criteria=many, experiments={"completed": 1})
    assert len(render_block(large)) < 41_000 and "and 440 more" in render_block(large)
    text = render_comment(Check(Project(Path("nowhere")), judged=[Judged(f"i{n}", large) for n in range(3)]))
    assert len(text) <= LONGEST_COMMENT and "did not fit" in text
