"""JUnit XML, which every CI system shows: a suite per increment, a case per criterion and gate.

Reads: a Check. Writes: text. Never: holds a character that XML forbids.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from specweave.integrations.ci.judging import Check, Judged
from specweave.integrations.standing import CriterionLine, GateLine

# Everything but what the Char production of XML 1.0 allows.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(check: Check) -> str:
    """Return the XML document."""
    root = ET.Element("testsuites", name="specweave")
    for judged in check.judged:
        root.append(_suite(judged))
    for name in ("tests", "failures", "skipped", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False).join(
        ('<?xml version="1.0" encoding="UTF-8"?>\n', "\n")
    )


def _suite(judged: Judged) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(judged.increment))
    if judged.problem is not None:
        record = judged.problem.record
        case = _case(
            suite, judged.increment, "documents and records", judged.problem.document, judged.problem.line
        )
        _told(case, "error", str(record["message"]), str(record.get("fix") or ""))
    standing = judged.standing
    if standing is not None and standing.phase != "judged":
        case = _case(suite, judged.increment, f"the increment is {standing.phase}", "", 0)
        _told(case, "skipped", f"nothing to judge: {standing.phase}")
    elif standing is not None:
        for criterion in standing.criteria:
            _criterion(suite, judged.increment, criterion)
        for gate in [*standing.tasks, *standing.evidence]:
            _gate(suite, judged.increment, gate)
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    return suite


def _criterion(suite: ET.Element, increment: str, criterion: CriterionLine) -> None:
    case = _case(suite, increment, criterion.text, criterion.document, criterion.line)
    told = f"{criterion.verdict}: measured {criterion.measured}"
    if criterion.blocks:
        _told(case, "failure", told, "\n".join(x for x in (criterion.note, criterion.fix) if x))
    elif criterion.waived:
        _told(case, "skipped", f"waived: {criterion.waived}")
    else:
        out = ET.SubElement(case, "system-out")
        out.text = _clean("\n".join(x for x in (told, criterion.note) if x and x != criterion.measured))


def _gate(suite: ET.Element, increment: str, gate: GateLine) -> None:
    case = _case(suite, increment, gate.name, gate.document, gate.line)
    if not gate.passed:
        _told(case, "failure", gate.note or "not passed", gate.fix)


def _case(suite: ET.Element, increment: str, name: str, document: str, line: int) -> ET.Element:
    case = ET.SubElement(suite, "testcase", classname=_clean(increment), name=_clean(name))
    if document:
        case.set("file", _clean(document))
        case.set("line", str(line))
    return case


def _told(case: ET.Element, tag: str, message: str, text: str = "") -> None:
    child = ET.SubElement(case, tag, message=_clean(message))
    if text:
        child.text = _clean(text)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
