"""Which repository, which address, which token."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from built_increment import build_project

from specweave.errors import IntegrationError, SpecError, StateError
from specweave.integrations.github.repository import (
    Access,
    Repository,
    api_address,
    find_access,
    find_repository,
    find_token,
    parse_repository,
)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("acme/churn", ""),
        ("https://github.com/acme/churn", "github.com"),
        ("https://github.com/acme/churn.git/", "github.com"),
        ("https://user:secret@ghe.corp.example:8443/acme/churn.git", "ghe.corp.example"),
        ("http://ghe.corp.example/acme/churn", "ghe.corp.example"),
        ("git@github.com:acme/churn.git", "github.com"),
        ("org-1234@github.com:acme/churn.git", "github.com"),
        ("github.com:acme/churn", "github.com"),
        ("git@ghe.corp.example:/acme/churn.git", "ghe.corp.example"),
        ("ssh://git@github.com/acme/churn.git", "github.com"),
        ("ssh://git@ssh.github.com:443/acme/churn.git", "ssh.github.com"),
        ("git://github.com/acme/churn.git", "github.com"),
    ],
)
def test_every_form_of_an_address_names_its_repository(text: str, host: str) -> None:
    assert parse_repository(text, "test") == Repository("acme", "churn", host)


@pytest.mark.parametrize(
    "text",
    ["", "churn", "acme/", "a/b/c", "../..", "acme/..", "/srv/git/churn.git", "file:///srv/git/churn.git",
     "https://gitlab.example/group/sub/churn.git", "acme/chu rn", "https://[broken/acme/churn", "acme/churn?x=1", "-a/b"],
)  # fmt: skip
def test_what_names_no_repository_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="names no repository on GitHub"):
        parse_repository(text, "test")


def test_credentials_in_an_address_are_not_repeated() -> None:
    with pytest.raises(SpecError) as found:
        parse_repository("https://me:s3cret@github.com/only-one", "test")
    assert "s3cret" not in str(found.value) and "https://github.com/only-one" in str(found.value)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def test_the_config_comes_before_the_remote_and_origin_before_others(tmp_path: Path) -> None:
    project = build_project(tmp_path / "p")
    with pytest.raises(StateError, match="no repository on GitHub is known"):
        find_repository(project)
    git(project.root, "init", "-q")
    git(project.root, "remote", "add", "upstream", "git@github.com:acme/upstream.git")
    assert find_repository(project).name == "upstream"
    git(project.root, "remote", "add", "mine", "git@github.com:me/mine.git")
    with pytest.raises(StateError, match="none is called origin: mine, upstream"):
        find_repository(project)
    git(project.root, "remote", "add", "origin", "https://github.com/acme/churn.git")
    assert find_repository(project).full_name == "acme/churn"
    config = project.home / "config.yaml"
    config.write_text("github:\n  repository: other/place\n")
    assert find_repository(project) == Repository("other", "place")


@pytest.mark.parametrize(
    ("text", "what"),
    [("github: acme", "not a mapping"), ("github: {repo: a/b}", "unknown setting 'repo'"),
     ("github: {repository: 12}", "names no repository")],
)  # fmt: skip
def test_odd_settings_are_refused_by_name(tmp_path: Path, text: str, what: str) -> None:
    project = build_project(tmp_path / "p")
    (project.home / "config.yaml").write_text(text)
    with pytest.raises(SpecError, match=what) as found:
        find_repository(project)
    assert found.value.where and found.value.where.endswith("config.yaml")


def test_the_address_is_that_of_github_or_the_named_one() -> None:
    assert api_address(Repository("a", "b"), {}) == "https://api.github.com"
    assert api_address(Repository("a", "b", "ssh.github.com"), {}) == "https://api.github.com"
    named = {"GITHUB_API_URL": "https://ghe.corp.example/api/v3/"}
    assert api_address(Repository("a", "b", "ghe.corp.example"), named) == "https://ghe.corp.example/api/v3"
    assert (
        api_address(Repository("a", "b"), {"GITHUB_API_URL": "http://127.0.0.1:80"}) == "http://127.0.0.1:80"
    )


def test_a_token_is_never_sent_where_nobody_named_the_host() -> None:
    with pytest.raises(StateError, match=r"is on gitlab\.com, not on github\.com") as found:
        api_address(Repository("a", "b", "gitlab.com"), {})
    assert "GITHUB_API_URL" in str(found.value.hint)
    with pytest.raises(SpecError, match="unencrypted"):
        api_address(Repository("a", "b"), {"GITHUB_API_URL": "http://ghe.corp.example/api/v3"})
    for odd in ("ghe.corp.example", "ftp://x/y", "https://", "https://me:pw@x/y", "https://x:port/"):
        with pytest.raises(SpecError, match="no address") as refused:
            api_address(Repository("a", "b"), {"GITHUB_API_URL": odd})
        assert "pw" not in str(refused.value)


def test_gh_token_comes_first_and_empty_ones_do_not_count() -> None:
    assert find_token({"GH_TOKEN": "a", "GITHUB_TOKEN": "b"}) == ("a", "GH_TOKEN")
    assert find_token({"GH_TOKEN": " ", "GITHUB_TOKEN": "b\n"}) == ("b", "GITHUB_TOKEN")
    assert find_token({}) is None


@pytest.mark.parametrize("token", ["two words", "ünïcode", "line\nbreak"])
def test_a_token_that_cannot_be_sent_is_refused_unseen(token: str) -> None:
    with pytest.raises(IntegrationError, match="characters that no token has") as found:
        find_token({"GH_TOKEN": token})
    assert token not in str(found.value)


def test_no_token_says_how_to_get_one(tmp_path: Path) -> None:
    project = build_project(tmp_path / "p")
    (project.home / "config.yaml").write_text("github: {repository: acme/churn}")
    with pytest.raises(IntegrationError, match="no token for acme/churn") as found:
        find_access(project, {})
    assert "export GH_TOKEN=" in str(found.value.hint)
    assert "s3cret" not in repr(Access(Repository("a", "b"), "https://x", "s3cret"))
