"""What GitHub's answers mean to a person: one message with what, where and how to mend it.

Reads: status, headers and body of an answer. Writes: nothing. Never: repeats a token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from specweave.errors import IntegrationError
from specweave.integrations.github.repository import Access
from specweave.integrations.markdown import one_line

# The same request again would meet the same refusal.
_FOREVER = (400, 410, 413, 422)


class GitHubError(IntegrationError):
    """GitHub could not be reached or refused.

    Parameters
    ----------
    later : bool
        Whether what was to be sent is worth keeping for the next sync.
    wide : bool
        Whether every other request would meet the same (no network, no rights).
    status : int
        Of the answer, 0 where there was none.
    """

    def __init__(
        self, what: str, *, where: object = None, hint: str | None = None, later: bool = True, wide: bool = True,
        status: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(what, where=where, hint=hint)
        self.later, self.wide, self.status = later, wide, status


def error_of(
    access: Access, method: str, path: str, status: int, headers: Mapping[str, str], body: str
) -> GitHubError:
    """Return the error that an answer stands for."""
    where = f"{method} {access.api}/{path}"
    told = _message(body).replace(access.token, "…")
    name, variable = access.repository.full_name, access.token_from
    waits = rate_limited(status, headers, told)
    if waits:
        return GitHubError(
            f"GitHub's rate limit is used up{_until(headers)}", where=where, hint="then run: sw github sync",
            status=status,
        )  # fmt: skip
    if status == 401:
        return GitHubError(
            f"GitHub does not accept the token in {variable}: {told}", where=where,
            hint=f"make a new one and run: export {variable}=...", status=status,
        )  # fmt: skip
    if status == 403:
        return GitHubError(
            f"the token in {variable} has no right to do this in {name}: {told}", where=where,
            hint="give it 'Issues: read and write' for this repository (in a workflow: 'permissions: issues: write')",
            status=status,
        )  # fmt: skip
    if status == 404:
        return GitHubError(
            f"GitHub knows no {_thing(path, name)} that the token in {variable} may see", where=where,
            hint="check 'github: {repository: owner/name}' in .specweave/config.yaml, and what the token may read",
            status=status,
        )  # fmt: skip
    if status == 410:
        return GitHubError(
            f"{_thing(path, name)} is gone, or issues are switched off: {told}", where=where,
            hint="switch issues on in the repository's settings, or make another issue: sw github create-issue",
            later=False, wide=False, status=status,
        )  # fmt: skip
    if status >= 500:
        return GitHubError(
            f"GitHub is in trouble: it answered {status}", where=where, hint="try again later: sw github sync",
            status=status,
        )  # fmt: skip
    return GitHubError(
        f"GitHub refused this ({status}): {told}", where=where, hint="change what it names, then run: sw github sync",
        later=status not in _FOREVER, wide=False, status=status,
    )  # fmt: skip


def rate_limited(status: int, headers: Mapping[str, str], told: str) -> bool:
    """Return whether an answer is about too many requests, the primary limit or the secondary one."""
    if status == 429:
        return True
    spent = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
    return status == 403 and (spent or "rate limit" in told.casefold())


def wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return how many seconds GitHub asks to wait, or None where it does not say."""
    try:
        if "retry-after" in headers:
            return max(0.0, float(headers["retry-after"]))
        if "x-ratelimit-reset" in headers:
            return max(0.0, float(headers["x-ratelimit-reset"]) - now_s)
    except ValueError:
        return None
    return None


def _until(headers: Mapping[str, str]) -> str:
    if headers.get("retry-after", "").isdecimal():
        return f" for {headers['retry-after']} s"
    try:
        when = datetime.fromtimestamp(float(headers["x-ratelimit-reset"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return ""
    return f" until {when:%H:%M} UTC"


def _thing(path: str, name: str) -> str:
    parts = path.partition("?")[0].split("/")
    if len(parts) > 4 and parts[4].isdecimal():
        return f"issue #{parts[4]} in {name}"
    return f"repository {name}"


def _message(body: str) -> str:
    """Return GitHub's message with the fields that it names, as one line."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return one_line(body, 200) or "no reason given"
    if not isinstance(found, dict):
        return "no reason given"
    details = []
    for item in found.get("errors") or []:
        if isinstance(item, dict):
            named = item.get("message") or f"{item.get('field', '')} {item.get('code', '')}"
            details.append(one_line(named, 200))
        else:
            details.append(one_line(item, 200))
    text = one_line(found.get("message") or "no reason given", 200)
    return f"{text} ({'; '.join(details)})" if details else text
