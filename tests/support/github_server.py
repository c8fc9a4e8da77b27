"""GitHub's REST interface for issues, on this machine: it answers as its documentation says, and as told."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "ghp_0123456789abcdefTOKEN"
NAME = "acme/churn"


@dataclass
class Scripted:
    """An answer that replaces the real one, for the next `times` requests that fit."""

    method: str
    pattern: str
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    after: bool = False  # whether the request takes effect before the answer goes wrong


@dataclass
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class GitHubServer:
    """A repository that keeps issues and comments in memory."""

    def __init__(self) -> None:
        self.issues: dict[int, dict[str, Any]] = {}
        self.comments: dict[int, list[dict[str, Any]]] = {}
        self.requests: list[Request] = []
        self.scripted: list[Scripted] = []
        self.per_page_limit = 100
        self.rights = True
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    # -- what a person does in the browser ---------------------------------------------------------

    def add_issue(self, title: str, body: str | None = "", **more: Any) -> int:
        with self.lock:
            number = len(self.issues) + 1
            self.issues[number] = {
                "id": 1000 + number, "number": number, "title": title, "body": body, "state": "open",
                "html_url": f"https://github.com/{NAME}/issues/{number}", "closed_by": None,
                "user": {"login": "someone"}, "labels": [], **more,
            }  # fmt: skip
            self.comments[number] = []
            return number

    def edit(self, number: int, body: str) -> None:
        """Save a body as the web page does: with carriage returns."""
        self.issues[number]["body"] = body.replace("\r\n", "\n").replace("\n", "\r\n")

    def close(self, number: int, by: str = "alice") -> None:
        self.issues[number] |= {"state": "closed", "closed_by": {"login": by}}

    def answer(self, method: str, pattern: str, status: int, body: Any = None, **more: Any) -> None:
        """Answer the next request that fits with this."""
        self.scripted.append(Scripted(method, pattern, status, body, **more))

    # -- what a test asks ---------------------------------------------------------------------------

    def writes(self) -> list[Request]:
        return [r for r in self.requests if r.method != "GET"]

    def bodies(self) -> list[str]:
        return [str(i["body"] or "") for i in self.issues.values()]

    # -- answering ----------------------------------------------------------------------------------

    def handle(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        with self.lock:
            self.requests.append(request)
            for rule in self.scripted:
                if rule.method in (request.method, "*") and re.search(rule.pattern, request.path):
                    rule.times -= 1
                    if rule.times <= 0:
                        self.scripted.remove(rule)
                    if rule.after:
                        self._real(request)
                    return rule.status, rule.body, rule.headers
            return self._real(request)

    def _real(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return (
                401,
                {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"},
                {},
            )
        if not request.headers.get("user-agent"):
            return 403, {"message": "Request forbidden by administrative rules."}, {}
        match = re.fullmatch(rf"/repos/{NAME}/issues(?:/(\d+)(/comments)?)?", request.path)
        one = re.fullmatch(rf"/repos/{NAME}/issues/comments/(\d+)", request.path)
        if match is None and one is None:
            return 404, {"message": "Not Found"}, {}
        if request.method != "GET" and not self.rights:
            return 403, {"message": "Resource not accessible by personal access token"}, {}
        if one is not None:
            return self._one_comment(request, int(one[1]))
        assert match is not None
        if match[1] is None:
            return self._list(request) if request.method == "GET" else self._create(request)
        number = int(match[1])
        if number not in self.issues:
            return 404, {"message": "Not Found"}, {}
        if match[2]:
            return self._comments(request, number)
        if request.method == "PATCH":
            self.issues[number] |= {k: v for k, v in request.body.items() if k in ("title", "body", "state")}
        return 200, self.issues[number], {}

    def _list(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        state = request.query.get("state", "open")
        rows = [i for i in self.issues.values() if state in ("all", i["state"])]
        rows.sort(key=lambda i: i["number"], reverse=request.query.get("direction", "desc") == "desc")
        # The list does not say who closed an issue.
        return self._page(request, [{k: v for k, v in i.items() if k != "closed_by"} for i in rows])

    def _create(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        title, body = request.body.get("title"), request.body.get("body") or ""
        problems = [{"resource": "Issue", "field": "title", "code": "missing_field"}] if not title else []
        if len(str(title)) > 256:
            problems.append(
                {
                    "resource": "Issue",
                    "field": "title",
                    "code": "custom",
                    "message": "title is too long (maximum is 256 characters)",
                }
            )
        if len(body) > 65536:
            problems.append(
                {"resource": "Issue", "field": "body", "code": "custom", "message": "body is too long"}
            )
        if problems:
            return 422, {"message": "Validation Failed", "errors": problems}, {}
        number = self.add_issue(title, body)
        return 201, self.issues[number], {}

    def _comments(self, request: Request, number: int) -> tuple[int, Any, dict[str, str]]:
        if request.method == "GET":
            return self._page(request, self.comments[number])
        made = {"id": 5000 + sum(map(len, self.comments.values())), "body": request.body["body"]}
        self.comments[number].append(made)
        return 201, made, {}

    def _one_comment(self, request: Request, wanted: int) -> tuple[int, Any, dict[str, str]]:
        for comment in (c for rows in self.comments.values() for c in rows):
            if comment["id"] == wanted:
                comment["body"] = request.body["body"]
                return 200, comment, {}
        return 404, {"message": "Not Found"}, {}

    def _page(self, request: Request, rows: list[Any]) -> tuple[int, Any, dict[str, str]]:
        size = min(int(request.query.get("per_page", 30)), self.per_page_limit)
        page = int(request.query.get("page", 1))
        last = max(1, -(-len(rows) // size))
        links = []
        for name, target in (("prev", page - 1), ("next", page + 1), ("last", last)):
            if 1 <= target <= last and (name != "last" or page < last):
                query = "&".join(f"{k}={v}" for k, v in {**request.query, "page": str(target)}.items())
                links.append(f'<{self.url}{request.path}?{query}>; rel="{name}"')
        headers = {"Link": ", ".join(links)} if links else {}
        return 200, rows[(page - 1) * size : page * size], headers


def _handler(server: GitHubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            query = {k: v[0] for k, v in parse_qs(parts.query).items()}
            headers = {k.lower(): v for k, v in self.headers.items()}
            request = Request(self.command, parts.path, query, headers, json.loads(raw) if raw else None)
            status, body, more = server.handle(request)
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def running() -> Iterator[GitHubServer]:
    """Yield a server that answers; it ends with the block."""
    found = GitHubServer()
    found.thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
