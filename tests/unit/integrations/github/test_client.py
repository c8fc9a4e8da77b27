"""What goes over the wire, and what each answer means to a person."""

from __future__ import annotations

import pytest
from github_server import TOKEN, GitHubServer

from specweave.integrations.github.answers import GitHubError
from specweave.integrations.github.client import API_VERSION
from specweave.integrations.github.repository import Access, parse_repository
from specweave.integrations.github.sticky import STICKY_MARK, post_sticky
from specweave.integrations.github.sync import Connect


def test_a_request_carries_token_version_and_user_agent(
    access: Access, connect: Connect, github_server: GitHubServer
) -> None:
    with connect(access) as client:
        client.create_issue("T", "B")
    headers = github_server.requests[0].headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["x-github-api-version"] == API_VERSION
    assert (
        headers["user-agent"].startswith("specweave/") and headers["accept"] == "application/vnd.github+json"
    )


def test_every_page_of_a_list_is_read(access: Access, connect: Connect, github_server: GitHubServer) -> None:
    for i in range(253):
        github_server.add_issue(f"issue {i}", state="closed" if i % 2 else "open")
    with connect(access) as client:
        assert [i.number for i in client.issues()] == list(range(1, 254))
    assert len(github_server.requests) == 3


RESET = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000600"}
CASES = {
    "401": (401, {"message": "Bad credentials"}, {}, "does not accept the token in GH_TOKEN: Bad credentials", "export GH_TOKEN="),
    "403": (403, {"message": "Resource not accessible"}, {}, "has no right to do this in acme/churn", "Issues: read and write"),
    "404": (404, {"message": "Not Found"}, {}, "knows no repository acme/churn that the token in GH_TOKEN may see", "config.yaml"),
    "410": (410, {"message": "Issues are disabled for this repo"}, {}, "issues are switched off", "settings"),
    "422": (422, {"message": "Validation Failed", "errors": [{"field": "title", "code": "missing_field"}]}, {},
            r"refused this \(422\): Validation Failed \(title missing_field\)", "change what it names"),
    "429": (429, {"message": "slow down"}, {"retry-after": "600"}, "rate limit is used up for 600 s", "then run: sw github sync"),
    "primary limit": (403, {"message": "API rate limit exceeded"}, RESET, "rate limit is used up until 13:56 UTC", "then run"),
    "secondary limit": (403, {"message": "You have exceeded a secondary rate limit"}, {}, "rate limit is used up", "then run"),
    "503": (503, "<html>unicorn</html>", {}, "it answered 503", "try again later"),
    "409": (409, {"message": "Conflict"}, {}, r"refused this \(409\): Conflict", "then run"),
    "not JSON": (200, "<html>log in</html>", {}, "the answer is not GitHub's", "proxy"),
    "other JSON": (200, {"hello": 1}, {}, "the answer is not GitHub's", "GITHUB_API_URL"),
    "null": (200, None, {}, "the answer is not GitHub's", "GITHUB_API_URL"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_answer_becomes_one_message_with_where_and_how_to_mend_it(
    case: str, access: Access, connect: Connect, github_server: GitHubServer
) -> None:
    status, body, headers, what, hint = CASES[case]
    github_server.answer("POST", "/issues$", status, body, headers=headers, times=3)
    with connect(access) as client, pytest.raises(GitHubError, match=what) as found:
        client.create_issue("T", "B")
    assert found.value.where == f"POST {github_server.url}/repos/acme/churn/issues"
    assert found.value.hint and hint in found.value.hint
    assert TOKEN not in str(found.value)
    assert found.value.later is (status not in (410, 422))
    assert len(github_server.requests) == 1, "what may have made something is not repeated"


def test_a_token_that_an_answer_repeats_is_not_shown(
    access: Access, connect: Connect, github_server: GitHubServer
) -> None:
    github_server.answer("POST", "/issues$", 401, {"message": f"no such token {TOKEN}"})
    with connect(access) as client, pytest.raises(GitHubError, match="no such token …"):
        client.create_issue("T", "B")


@pytest.mark.parametrize(
    ("status", "headers", "asked"),
    [
        (429, {"retry-after": "2"}, 2.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000004"}, 4.0),
    ],
)
def test_a_short_wait_is_waited_and_the_request_repeated(
    status: int, headers: dict[str, str], asked: float, access: Access, connect: Connect,
    github_server: GitHubServer, waits: list[float],
) -> None:  # fmt: skip
    github_server.answer("POST", "/issues$", status, {"message": "rate limit"}, headers=headers)
    with connect(access) as client:
        assert client.create_issue("T", "B").number == 1
    assert waits == [asked]


def test_a_read_is_repeated_where_github_is_in_trouble(
    access: Access, connect: Connect, github_server: GitHubServer, waits: list[float]
) -> None:
    github_server.add_issue("x")
    github_server.answer("GET", "/issues$", 502, "", times=2)
    with connect(access) as client:
        assert len(list(client.issues())) == 1
    assert waits == [0.5, 1.0]


def test_no_network_is_one_message(access: Access, connect: Connect) -> None:
    gone = Access(access.repository, "http://127.0.0.1:9", TOKEN)
    with connect(gone) as client, pytest.raises(GitHubError, match=r"cannot reach 127\.0\.0\.1:9") as found:
        list(client.issues())
    assert found.value.later and found.value.wide and "GITHUB_API_URL" in str(found.value.hint)


def test_a_renamed_repository_is_followed_with_the_same_method(
    connect: Connect, github_server: GitHubServer
) -> None:
    old = Access(parse_repository("acme/old-name", "test"), github_server.url, TOKEN)
    for method, times in (("POST", 1), ("GET", 1)):
        github_server.answer(
            method, "/repos/acme/old-name/issues", 301, {"message": "Moved Permanently"}, times=times,
            headers={"Location": f"{github_server.url}/repos/acme/churn/issues"},
        )  # fmt: skip
    with connect(old) as client:
        assert client.create_issue("T", "B").number == 1
        assert [i.title for i in client.issues()] == ["T"]
    assert [r.method for r in github_server.requests] == ["POST", "POST", "GET", "GET"]


@pytest.mark.parametrize("status", [301, 307])
def test_the_token_is_not_sent_to_another_host(
    status: int, access: Access, connect: Connect, github_server: GitHubServer
) -> None:
    github_server.answer(
        "*", "/issues", status, {}, headers={"Location": "http://127.0.0.2:1/repos/acme/churn/issues"}
    )
    with (
        connect(access) as client,
        pytest.raises(GitHubError, match=r"points to another host: 127\.0\.0\.2:1"),
    ):
        client.create_issue("T", "B")
    github_server.answer(
        "GET", "/issues", 200, [], headers={"Link": '<http://127.0.0.2:1/x?page=2>; rel="next"'}
    )
    with connect(access) as client, pytest.raises(GitHubError, match="points to another host"):
        list(client.issues())


def test_redirects_in_a_circle_end(access: Access, connect: Connect, github_server: GitHubServer) -> None:
    here = {"Location": f"{github_server.url}/repos/acme/churn/issues"}
    github_server.answer("*", "/issues", 307, {}, headers=here, times=50)
    with connect(access) as client, pytest.raises(GitHubError, match="not GitHub's"):
        client.create_issue("T", "B")


def test_the_comment_of_a_pull_request_is_rewritten_not_repeated(
    access: Access, connect: Connect, github_server: GitHubServer
) -> None:
    number = github_server.add_issue("PR", pull_request={"url": "x"})
    github_server.comments[number].append({"id": 1, "body": f"> {STICKY_MARK}\nquoted by a person"})
    text = f"{STICKY_MARK}\nfirst"
    assert post_sticky(access, number, text, connect=connect) == "created"
    assert post_sticky(access, number, text, connect=connect) == "unchanged"
    assert post_sticky(access, number, text.replace("first", "second"), connect=connect) == "updated"
    assert [c["body"] for c in github_server.comments[number]][1:] == [f"{STICKY_MARK}\nsecond"]
