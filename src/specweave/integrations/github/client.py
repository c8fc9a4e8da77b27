"""The handful of GitHub's REST calls that issues need.

Reads and writes: issues and comments of one repository, over HTTPS. Never: sends the token to another
host, repeats a request that may have made something, or lets an answer through that is not what it should be.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import msgspec

from specweave import __version__
from specweave.errors import MissingExtraError
from specweave.integrations.github.answers import GitHubError, error_of, rate_limited, wait_s
from specweave.integrations.github.repository import Access
from specweave.integrations.markdown import one_line

if TYPE_CHECKING:
    import httpx2

API_VERSION = "2022-11-28"
_ATTEMPTS = 3
# Longer waits are the next sync's business.
_LONGEST_WAIT_S = 10.0
_TIMEOUT_S = 20.0
_PAGE = 100
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next"?')


class Issue(msgspec.Struct, frozen=True):
    """An issue as GitHub holds it; `closed_by` is "" where it does not say who."""

    number: int
    title: str
    state: str
    body: str
    url: str
    closed_by: str = ""


class Comment(msgspec.Struct, frozen=True):
    """A comment of an issue."""

    id: int
    body: str


class GitHubClient:
    """A connection to one repository.

    Parameters
    ----------
    access : Access
    timeout_s : float
        For connecting, and for each silence while reading.
    sleep, now : callable
        Waiting, and seconds since 1970.

    Raises
    ------
    MissingExtraError
        If the HTTP library is not installed.
    """

    def __init__(
        self,
        access: Access,
        *,
        timeout_s: float = _TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        try:
            import httpx2
        except ImportError as error:
            raise MissingExtraError.for_package("httpx2", "github", "sw github") from error
        self.access = access
        self._sleep, self._now = sleep, now
        self._base = access.api + "/"
        self._prefix = f"repos/{access.repository.full_name}"
        self._http = httpx2.Client(
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {access.token}",
                "User-Agent": f"specweave/{__version__}",
                "X-GitHub-Api-Version": API_VERSION,
            },
            timeout=timeout_s,
            follow_redirects=False,
        )

    def __enter__(self) -> GitHubClient:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    # -- reading ---------------------------------------------------------------------------------

    def find_issue(self, number: int) -> Issue | None:
        """Return an issue, or None where there is none of that number (or it is a pull request)."""
        try:
            found = self._object("GET", f"{self._prefix}/issues/{number}")
        except GitHubError as error:
            if error.status in (404, 410):
                return None
            raise
        return None if "pull_request" in found else _issue(found)

    def issues(self) -> Iterator[Issue]:
        """Yield every issue, open and closed, oldest first; pull requests are left out."""
        query = f"state=all&sort=created&direction=asc&per_page={_PAGE}"
        for item in self._pages(f"{self._prefix}/issues?{query}"):
            if "pull_request" not in item:
                yield _issue(item)

    def comments(self, number: int) -> Iterator[Comment]:
        """Yield every comment of an issue or pull request, oldest first."""
        for item in self._pages(f"{self._prefix}/issues/{number}/comments?per_page={_PAGE}"):
            yield Comment(int(item["id"]), str(item.get("body") or ""))

    # -- writing ---------------------------------------------------------------------------------

    def create_issue(self, title: str, body: str) -> Issue:
        """Make an issue."""
        return _issue(self._object("POST", f"{self._prefix}/issues", {"title": title, "body": body}))

    def update_issue(self, number: int, body: str) -> Issue:
        """Replace an issue's body; title, state and labels stay."""
        return _issue(self._object("PATCH", f"{self._prefix}/issues/{number}", {"body": body}))

    def create_comment(self, number: int, body: str) -> Comment:
        """Add a comment to an issue or pull request."""
        made = self._object("POST", f"{self._prefix}/issues/{number}/comments", {"body": body})
        return Comment(int(made["id"]), str(made.get("body") or ""))

    def update_comment(self, comment: int, body: str) -> Comment:
        """Replace a comment's text."""
        made = self._object("PATCH", f"{self._prefix}/issues/comments/{comment}", {"body": body})
        return Comment(int(made["id"]), str(made.get("body") or ""))

    # -- requests --------------------------------------------------------------------------------

    def _object(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found = self._json(self._send(method, path, body), method, path)
        if not isinstance(found, dict) or ("number" not in found and "id" not in found):
            raise self._strange(method, path)
        return found

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        seen = set()
        following: str | None = path
        while following is not None and following not in seen:
            seen.add(following)
            answer = self._send("GET", following, None)
            found = self._json(answer, "GET", following)
            if not isinstance(found, list) or not all(isinstance(x, dict) and "id" in x for x in found):
                raise self._strange("GET", following)
            yield from found
            linked = _NEXT.search(answer.headers.get("link", ""))
            following = self._own_path(linked[1]) if linked else None

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx2.Response:
        """Send a request; wait where GitHub asks for a short wait, and repeat what can be repeated."""
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            try:
                answer = self._once(method, path, body)
            except GitHubError:
                # A request that makes something may have arrived: the next sync looks before it sends again.
                if last or method == "POST":
                    raise
                self._sleep(0.25 * 2**attempt)
                continue
            if answer.status_code < 300:
                return answer
            error = error_of(self.access, method, path, answer.status_code, answer.headers, answer.text)
            limited = rate_limited(answer.status_code, answer.headers, answer.text)
            asked = wait_s(answer.headers, self._now()) if limited else None
            if not last and asked is not None and asked <= _LONGEST_WAIT_S:
                self._sleep(asked)
            elif not last and answer.status_code >= 500 and method != "POST":
                self._sleep(0.25 * 2**attempt)
            else:
                raise error
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, path: str, body: dict[str, Any] | None) -> httpx2.Response:
        """Send once, following redirects with the same method, since a renamed repository answers with one."""
        import httpx2

        try:
            for _ in range(4):
                answer = self._http.request(method, self._base + path, json=body)
                if answer.status_code not in (301, 302, 307, 308) or "location" not in answer.headers:
                    return answer
                path = self._own_path(urljoin(self._base + path, answer.headers["location"]))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            host = urlsplit(self.access.api).netloc
            reason = one_line(str(error) or type(error).__name__, 160)
            raise GitHubError(
                f"cannot reach {host}: {reason}", where=f"{method} {self._base}{path}",
                hint="check the connection and GITHUB_API_URL, then run: sw github sync",
            ) from error  # fmt: skip
        raise self._strange(method, path)

    def _own_path(self, address: str) -> str:
        """Return the part of an address below the interface's own; refuse any other, it would get the token."""
        if not address.startswith(self._base):
            raise GitHubError(
                f"GitHub points to another host: {one_line(urlsplit(address).netloc, 100)}", where=self.access.api,
                hint="set GITHUB_API_URL to the address that the host itself names", later=False,
            )  # fmt: skip
        return address[len(self._base) :]

    def _json(self, answer: httpx2.Response, method: str, path: str) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise self._strange(method, path) from error

    def _strange(self, method: str, path: str) -> GitHubError:
        return GitHubError(
            "the answer is not GitHub's", where=f"{method} {self._base}{path}",
            hint="check GITHUB_API_URL and what stands between (a proxy, a login page), then run: sw github sync",
        )  # fmt: skip


def _issue(item: dict[str, Any]) -> Issue:
    closer = item.get("closed_by")
    return Issue(
        number=int(item["number"]),
        title=str(item.get("title") or ""),
        state=str(item.get("state") or "open"),
        body=str(item.get("body") or ""),
        url=str(item.get("html_url") or ""),
        closed_by=str(closer.get("login", "")) if isinstance(closer, dict) else "",
    )
