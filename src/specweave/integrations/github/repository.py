"""Which repository is meant, where its interface answers, and with which token.

Reads: ``github`` in ``.specweave/config.yaml``, the git remote, ``GITHUB_API_URL``, ``GH_TOKEN``,
``GITHUB_TOKEN``. Writes: nothing. Never: prints a token, or sends one to a host that nobody named.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from specweave.errors import IntegrationError, SpecError, StateError, did_you_mean
from specweave.increments.project import FOLDER, Project
from specweave.integrations.git import find_remote

API_VARIABLE = "GITHUB_API_URL"
TOKEN_VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")
PUBLIC_API = "https://api.github.com"
_PUBLIC_HOSTS = ("github.com", "www.github.com", "ssh.github.com")
_LOCAL = ("127.0.0.1", "localhost", "::1")
_PLAIN = re.compile(
    r"^(?P<owner>[A-Za-z0-9][A-Za-z0-9-]*(?:_[A-Za-z0-9]+)?)/(?P<name>[A-Za-z0-9._-]{1,100})$"
)
_SCP = re.compile(r"^(?:[^@/\s]+@)?(?P<host>[^:/\s]+):(?!//)(?P<path>.+)$")
_HINT = "write in .specweave/config.yaml: 'github: {repository: owner/name}'"


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub; `host` is "" where only ``owner/name`` was given."""

    owner: str
    name: str
    host: str = ""

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Access:
    """Where a repository's interface answers, and the token for it (which never shows in a repr)."""

    repository: Repository
    api: str
    token: str = field(repr=False)
    token_from: str = TOKEN_VARIABLES[0]


def parse_repository(text: str, where: object) -> Repository:
    """Parse ``owner/name`` or a remote's address: https, ssh, git, or ``git@host:owner/name.git``.

    Raises
    ------
    SpecError
        If it is none of these. An address is named without the credentials in it.

    Examples
    --------
    >>> parse_repository("git@github.com:acme/churn.git", "remote")
    Repository(owner='acme', name='churn', host='github.com')
    """
    text = text.strip()
    host, path = "", text
    if "://" in text:
        try:
            parts = urlsplit(text)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            path = ""
    elif scp := _SCP.match(text):
        host, path = scp["host"].casefold(), scp["path"]
    match = _PLAIN.match(path.strip("/").removesuffix(".git"))
    if match is None or match["name"] in (".", ".."):
        shown = re.sub(r"//[^/@]*@", "//", text)
        raise SpecError(f"'{shown}' names no repository on GitHub", where=where, hint=_HINT)
    return Repository(match["owner"], match["name"], host)


def find_repository(project: Project) -> Repository:
    """Return the repository of a project: as set in its config, else its git remote.

    Raises
    ------
    SpecError
        If config or remote name none.
    StateError
        If there is neither.
    """
    where = f"{FOLDER}/config.yaml"
    settings = project.config().get("github") or {}
    if not isinstance(settings, dict):
        raise SpecError("'github' is not a mapping", where=where, hint=_HINT)
    unknown = [str(key) for key in settings if key != "repository"]
    if unknown:
        raise SpecError(
            f"github: unknown setting '{unknown[0]}'",
            where=where,
            hint=did_you_mean(unknown[0], ["repository"]),
        )
    if settings.get("repository"):
        return parse_repository(str(settings["repository"]), where)
    remote = find_remote(project.root)
    if remote is None:
        raise StateError(
            "no repository on GitHub is known for this project",
            where=project.root,
            hint=f"{_HINT}, or add a git remote",
        )
    return parse_repository(remote[1], f"git remote {remote[0]}")


def api_address(repository: Repository, environment: Mapping[str, str] | None = None) -> str:
    """Return where the interface answers: ``$GITHUB_API_URL``, else that of github.com.

    Raises
    ------
    SpecError
        If the variable is no address, or would send the token unencrypted to another machine.
    StateError
        If the repository is on another host and the variable is not set.
    """
    named = (os.environ if environment is None else environment).get(API_VARIABLE, "").strip()
    if not named:
        if repository.host in ("", *_PUBLIC_HOSTS):
            return PUBLIC_API
        raise StateError(
            f"the repository is on {repository.host}, not on github.com", where=repository.full_name,
            hint=f"for GitHub Enterprise run: export {API_VARIABLE}=https://{repository.host}/api/v3; "
            "or name another repository in .specweave/config.yaml: 'github: {repository: owner/name}'",
        )  # fmt: skip
    try:
        parts = urlsplit(named)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query:
        raise SpecError(
            "the address of GitHub's interface is no address", where=f"${API_VARIABLE}",
            hint=f"run: export {API_VARIABLE}=https://HOST/api/v3, or unset it for github.com",
        )  # fmt: skip
    if parts.scheme == "http" and host not in _LOCAL:
        raise SpecError(
            f"http://{host} would carry the token unencrypted", where=f"${API_VARIABLE}",
            hint=f"run: export {API_VARIABLE}=https://{host}{parts.path}",
        )  # fmt: skip
    return named.rstrip("/")


def find_token(environment: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """Return (token, the variable it stands in), or None where none is set.

    Raises
    ------
    IntegrationError
        If it holds characters that cannot be sent; the token itself is not shown.
    """
    variables = os.environ if environment is None else environment
    for name in TOKEN_VARIABLES:
        token = variables.get(name, "").strip()
        if not token:
            continue
        if not re.fullmatch(r"[!-~]+", token):
            raise IntegrationError(
                "the token holds white space or characters that no token has", where=f"${name}",
                hint=f"copy it anew: export {name}=...",
            )  # fmt: skip
        return token, name
    return None


def find_access(project: Project, environment: Mapping[str, str] | None = None) -> Access:
    """Return how to reach the project's repository.

    Raises
    ------
    SpecError, StateError
        As :func:`find_repository` and :func:`api_address`.
    IntegrationError
        If there is no token.
    """
    repository = find_repository(project)
    api = api_address(repository, environment)
    found = find_token(environment)
    if found is None:
        raise IntegrationError(
            f"no token for {repository.full_name}", where="$GH_TOKEN",
            hint="run: export GH_TOKEN=$(gh auth token), or make one with the permission 'Issues: read and write'",
        )  # fmt: skip
    return Access(repository, api, *found)
