"""Agents put in and taken out: ours comes and goes, a person's bytes stay."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.errors import SpecError, StateError, UnknownNameError
from specweave.files.yamlio import parse_yaml
from specweave.integrations.agents.blocks import put_block, take_block
from specweave.integrations.agents.installing import (
    Change,
    agent_status,
    install_agents,
    known_agents,
    remove_agents,
)
from specweave.integrations.agents.json_entries import MISSING, find_entry, put_entry, take_entry
from specweave.integrations.github.workflow import install_workflow

AGENTS = [name for name in known_agents() if name != "github-actions"]
SETTINGS = '{\n\t"permissions": {"allow": ["Bash(ls:*)"]},\r\n  "x": 1}'


def tree(root: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def mine(root: Path) -> dict[str, bytes]:
    """Write the files that a person already has, and return them."""
    files = {
        "AGENTS.md": b"# Ours\r\n\r\nNo trailing line end",
        "CLAUDE.md": b"Be brief.\n\n\n",
        "GEMINI.md": b"\xc3\xa4\n",
        ".github/copilot-instructions.md": b"one line\n",
        ".claude/settings.json": SETTINGS.encode(),
        ".cursor/mcp.json": b'{"mcpServers": {"other": {"command": "x"}}}\n',
        ".vscode/mcp.json": b"{\n    \"servers\": {\n        \"other\": {\"command\": \"x\"}\n    }\n}",
        ".codex/config.toml": b'model = "m"\n[profiles.a]\nx = 1\n',
        ".cursor/rules/own.mdc": b"mine\n",
        "README.md": b"readme\n",
    }  # fmt: skip
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return tree(root)


def test_every_agent_goes_in_and_comes_out_without_a_byte_of_difference(tmp_path: Path) -> None:
    before = mine(tmp_path)
    install_agents(tmp_path, AGENTS, server=True)
    for path, data in before.items():
        now = (tmp_path / path).read_bytes()
        lines = [line for line in data.splitlines() if line.strip()]
        assert [line for line in now.splitlines() if line in lines] or path.endswith(".json"), path
    assert all(agent_status(tmp_path, name).current for name in AGENTS)
    assert all(agent_status(tmp_path, name).server for name in AGENTS)
    remove_agents(tmp_path, AGENTS)
    assert tree(tmp_path) == before
    assert not [p for p in tmp_path.rglob("*") if p.is_dir() and not any(p.iterdir())], (
        "no empty folder is left"
    )


@pytest.mark.parametrize("name", AGENTS)
def test_installing_twice_changes_nothing(tmp_path: Path, name: str) -> None:
    mine(tmp_path)
    assert {c.action for c in install_agents(tmp_path, [name])} <= {"written", "updated"}
    before = tree(tmp_path)
    assert {c.action for c in install_agents(tmp_path, [name])} == {"unchanged"}
    assert tree(tmp_path) == before


def test_a_dry_run_writes_nothing_and_says_what_the_run_then_does(tmp_path: Path) -> None:
    before = mine(tmp_path)
    told = install_agents(tmp_path, AGENTS, dry_run=True)
    assert tree(tmp_path) == before
    assert install_agents(tmp_path, AGENTS) == told
    installed = tree(tmp_path)
    told = remove_agents(tmp_path, AGENTS, dry_run=True)
    assert tree(tmp_path) == installed
    assert remove_agents(tmp_path, AGENTS) == told


def test_what_two_agents_share_goes_with_the_last_of_them(tmp_path: Path) -> None:
    install_agents(tmp_path, ["codex", "cursor"])
    remove_agents(tmp_path, ["codex"])
    assert "specweave" in (tmp_path / "AGENTS.md").read_text()
    assert not agent_status(tmp_path, "codex").installed
    assert agent_status(tmp_path, "cursor").current
    remove_agents(tmp_path, ["cursor"])
    assert tree(tmp_path) == {}


def test_a_file_of_ours_that_a_person_edited_is_kept_until_forced(tmp_path: Path) -> None:
    install_agents(tmp_path, ["claude"])
    command = tmp_path / ".claude/specweave/sw/commands/do.md"
    ours = command.read_text()
    command.write_text(ours.replace("ten minutes", "an hour"))
    manifest = tmp_path / ".claude/specweave/sw/.claude-plugin/plugin.json"
    manifest.write_text(manifest.read_text().replace("spec, plan", "plan, spec"))
    edited = tree(tmp_path)
    changes = {c.path: c.action for c in install_agents(tmp_path, ["claude"])}
    kept = {p for p, action in changes.items() if action == "kept"}
    assert kept == {command.relative_to(tmp_path).as_posix(), manifest.relative_to(tmp_path).as_posix()}
    assert tree(tmp_path) == edited
    assert agent_status(tmp_path, "claude").files[command.relative_to(tmp_path).as_posix()] == "edited"
    remove_agents(tmp_path, ["claude"])
    assert set(tree(tmp_path)) == kept
    install_agents(tmp_path, ["claude"], force=True)
    assert command.read_text() == ours


def test_files_of_an_older_version_are_brought_up_to_date(tmp_path: Path) -> None:
    install_agents(tmp_path, ["claude"])
    manifest = tmp_path / ".claude/specweave/sw/.claude-plugin/plugin.json"
    old = json.loads(manifest.read_text()) | {"version": "0.0.1"}
    manifest.write_text(json.dumps(old))
    from specweave.integrations.agents.pieces import Owned

    path = ".claude/specweave/sw/commands/do.md"
    (tmp_path / path).write_text(Owned(path, "---\ndescription: old\n---\nold text\n").rendered)
    block = tmp_path / "CLAUDE.md"
    block.write_text(block.read_text().replace("goes through specweave", "went through specweave"))
    assert not agent_status(tmp_path, "claude").current
    changed = {c.path for c in install_agents(tmp_path, ["claude"]) if c.action == "updated"}
    assert changed == {path, "CLAUDE.md", manifest.relative_to(tmp_path).as_posix()}
    assert agent_status(tmp_path, "claude").current


def test_a_plugin_that_a_person_switched_off_stays_off(tmp_path: Path) -> None:
    (tmp_path / ".claude").mkdir()
    settings_file = tmp_path / ".claude/settings.json"
    settings_file.write_text('{"enabledPlugins": {"sw@specweave": false}}')
    install_agents(tmp_path, ["claude"])
    assert json.loads(settings_file.read_text())["enabledPlugins"] == {"sw@specweave": False}


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        (".claude/settings.json", '{"a": 1,}', "not valid JSON"),
        (".claude/settings.json", "[1]", "not an object"),
        (".claude/settings.json", '{"enabledPlugins": []}', "not an object"),
        ("CLAUDE.md", "<!-- specweave:begin agents -->\nhalf", "do not pair up"),
        (
            "CLAUDE.md",
            "a\n<!-- specweave:end agents -->\n<!-- specweave:begin agents -->\n",
            "do not pair up",
        ),
    ],
)
def test_a_file_that_cannot_be_edited_safely_stops_everything(
    tmp_path: Path, path: str, text: str, says: str
) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(text)
    before = tree(tmp_path)
    with pytest.raises(SpecError, match=says) as caught:
        install_agents(tmp_path, ["claude"])
    assert caught.value.where and path in caught.value.where and caught.value.hint
    assert tree(tmp_path) == before
    assert not agent_status(tmp_path, "claude").installed, "looking does not fail"


def test_one_file_under_two_names_gets_one_block_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "AGENTS.md").write_text("# Ours\n")
    (tmp_path / "CLAUDE.md").symlink_to("AGENTS.md")
    install_agents(tmp_path, ["claude", "codex"])
    assert (tmp_path / "CLAUDE.md").is_symlink()
    assert (tmp_path / "AGENTS.md").read_text().count("specweave:begin agents") == 1
    remove_agents(tmp_path, ["claude"])
    assert agent_status(tmp_path, "codex").current
    remove_agents(tmp_path, ["codex"])
    assert (tmp_path / "AGENTS.md").read_text() == "# Ours\n" and (tmp_path / "CLAUDE.md").is_symlink()


def test_a_link_that_leads_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text("theirs\n")
    root = tmp_path / "project"
    root.mkdir()
    (root / "AGENTS.md").symlink_to(outside)
    with pytest.raises(StateError, match="leads out of the project"):
        install_agents(root, ["codex"])
    assert outside.read_text() == "theirs\n"
    assert list(root.iterdir()) == [root / "AGENTS.md"]


def test_an_agent_that_does_not_exist_is_named_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no agent is called 'claud'") as caught:
        install_agents(tmp_path, ["codex", "claud"])
    assert caught.value.hint == "did you mean claude?"
    assert tree(tmp_path) == {}


def test_the_plugin_is_what_claude_code_documents(tmp_path: Path) -> None:
    install_agents(tmp_path, ["claude"], server=True)
    market = tmp_path / ".claude/specweave"
    offered = json.loads((market / ".claude-plugin/marketplace.json").read_text())
    (plugin,) = offered["plugins"]
    root = market / plugin["source"]
    manifest = json.loads((root / ".claude-plugin/plugin.json").read_text())
    assert manifest["name"] == plugin["name"] == "sw" and manifest["version"] and manifest["description"]
    commands = {
        p.relative_to(root / "commands").with_suffix("").as_posix() for p in (root / "commands").rglob("*.md")
    }
    assert {f"/sw:{c.replace('/', ':')}" for c in commands} == {
        "/sw:inc", "/sw:do", "/sw:validate", "/sw:done", "/sw:sync-docs", "/sw:github:create-issue",
    }  # fmt: skip
    for path in (root / "commands").rglob("*.md"):
        front = parse_yaml(path.read_text().split("---\n")[1], where=path.name)
        assert set(front) == {"description", "argument-hint", "allowed-tools"}
        assert len(front["description"]) <= 60 and "Bash(sw:*)" in front["allowed-tools"]
        assert "$ARGUMENTS" in path.read_text() or path.stem in ("validate",)
    assert (root / "agents/ml-engineer.md").is_file()
    assert json.loads((root / ".mcp.json").read_text())["mcpServers"]["specweave"]["args"] == ["mcp"]
    enabled = json.loads((tmp_path / ".claude/settings.json").read_text())
    assert enabled["enabledPlugins"] == {"sw@specweave": True}
    assert (
        tmp_path / enabled["extraKnownMarketplaces"]["specweave"]["source"]["path"]
    ).resolve() == market.resolve()


def test_skills_follow_the_open_format(tmp_path: Path) -> None:
    install_agents(tmp_path, AGENTS)
    found = sorted(tmp_path.rglob("SKILL.md"))
    assert len({p.parent.name for p in found}) == 12 and len(found) >= 5 * 6
    for path in found:
        front = parse_yaml(path.read_text().split("---\n")[1], where=path)
        assert front["name"] == path.parent.name and len(front["name"]) <= 64
        assert 40 <= len(front["description"]) <= 1024, path


def test_settings_of_codex_and_commands_of_gemini_are_toml(tmp_path: Path) -> None:
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").write_text('model = "m"\n[profiles.a]\nx = 1')
    install_agents(tmp_path, ["codex", "gemini"], server=True)
    config = tomllib.loads((tmp_path / ".codex/config.toml").read_text())
    assert config["mcp_servers"]["specweave"] == {"command": "sw", "args": ["mcp"]}
    assert config["profiles"] == {"a": {"x": 1}}
    engineer = tomllib.loads((tmp_path / ".codex/agents/ml-engineer.toml").read_text())
    assert set(engineer) == {"name", "description", "developer_instructions"}
    for path in (tmp_path / ".gemini/commands/sw").rglob("*.toml"):
        assert set(tomllib.loads(path.read_text())) == {"description", "prompt"}


def test_the_workflow_stands_at_the_top_of_the_repository_and_keeps_jobs_of_a_person(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    root = tmp_path / "ml" / "churn"
    root.mkdir(parents=True)
    (change,) = install_agents(root, ["github-actions"])
    assert change == Change("../../.github/workflows/specweave.yml", "written")
    workflow = tmp_path / ".github/workflows/specweave.yml"
    assert install_workflow(root) == [], "it is what the writer of workflows writes"
    assert 'working-directory: "ml/churn"' in workflow.read_text()
    ours = workflow.read_text()
    workflow.write_text(
        ours.replace("timeout-minutes: 30", "timeout-minutes: 31") + "  own:\n    runs-on: x\n"
    )
    assert install_agents(root, ["github-actions"]) == [Change(change.path, "updated")]
    assert workflow.read_text() == ours + "  own:\n    runs-on: x\n"
    remove_agents(root, ["github-actions"])
    assert workflow.read_text() == "  own:\n    runs-on: x\n"
    workflow.unlink()
    install_agents(root, ["github-actions"])
    remove_agents(root, ["github-actions"])
    assert not (tmp_path / ".github").exists() and root.is_dir()


def test_a_workflow_of_a_person_is_left_alone(tmp_path: Path) -> None:
    workflow = tmp_path / ".github/workflows/specweave.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("name: mine\n")
    assert [c.action for c in install_agents(tmp_path, ["github-actions"])] == ["kept"]
    assert [c.action for c in remove_agents(tmp_path, ["github-actions"])] == ["kept"]
    with pytest.raises(StateError, match="does not carry our two marks"):
        install_agents(tmp_path, ["github-actions"], force=True)
    assert workflow.read_text() == "name: mine\n"


# -- properties --------------------------------------------------------------------------------------

TEXT = st.text(alphabet=st.sampled_from("ab #-<>\n\r\t`ü"), max_size=60).filter(
    lambda t: "\r" not in t.replace("\r\n", "")
)


@given(text=TEXT, body=st.sampled_from(["one\n", "one\ntwo\n"]), suffix=st.sampled_from([".md", ".toml"]))
@settings(max_examples=300, deadline=None)
def test_a_block_put_in_and_taken_out_leaves_every_byte(text: str, body: str, suffix: str) -> None:
    put = put_block(text, "x", body, suffix, "f")
    assert put.startswith(text)
    assert put_block(put, "x", body, suffix, "f") == put
    assert take_block(put, "x", suffix, "f") == text
    other = put_block(put, "x", "quite\nanother\n", suffix, "f")
    assert take_block(other, "x", suffix, "f") == text
    assert put_block(other, "x", body, suffix, "f") == put


@given(before=TEXT, after=TEXT)
@settings(max_examples=200, deadline=None)
def test_text_around_a_block_stays_when_the_block_changes(before: str, after: str) -> None:
    text = (
        before
        + ("\n" if before and not before.endswith("\n") else "")
        + put_block("", "x", "old", ".md", "f")
        + after
    )
    put = put_block(text, "x", "new", ".md", "f")
    start, end = put.index("<!-- specweave:begin x -->"), put.index("<!-- specweave:end x -->")
    assert put[:start] == text[: text.index("<!-- specweave:begin x -->")]
    assert put[end:] == text[text.index("<!-- specweave:end x -->") :]
    assert "new" in put[start:end] and "old" not in put[start:end]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("a\"{},:\\é ", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab{\",", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(
    value=st.dictionaries(st.sampled_from(["a", "b", "ours", "x{"]), JSON, max_size=4),
    indent=st.sampled_from([None, 2, 4, "\t"]), ends=st.sampled_from(["", "\n", "\n\n"]), crlf=st.booleans(),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_an_entry_put_in_and_taken_out_leaves_every_byte(
    value: dict[str, object], indent: object, ends: str, crlf: bool
) -> None:
    if "ours" in value and (
        not isinstance(value["ours"], dict) or not value["ours"] or "sw" in value["ours"]
    ):
        del value["ours"]
    text = json.dumps(value, indent=indent, ensure_ascii=False) + ends  # type: ignore[arg-type]
    text = text.replace("\n", "\r\n") if crlf else text
    put = put_entry(text, ("ours", "sw"), {"command": "sw"}, "f")
    wanted = json.loads(text)
    wanted.setdefault("ours", {})["sw"] = {"command": "sw"}
    assert json.loads(put) == wanted
    assert take_entry(put, ("ours", "sw"), "f") == text
    assert find_entry(text, ("ours", "sw"), "f") is MISSING
