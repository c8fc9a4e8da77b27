"""The HTTP service, asked over a real socket."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from specweave.serving.http import make_app
from specweave.serving.inference import Predictor

uvicorn = pytest.importorskip("uvicorn")
ROW = {"customer": "new", "tenure": 2, "contract": "month", "charge": 71.5}


@pytest.fixture(scope="module")
def url(predictor: Predictor) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(predictor, most_rows=50), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


def ask(url: str, body: Any = None) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_rows_are_answered_as_the_predictor_answers_them(url: str, predictor: Predictor) -> None:
    status, body = ask(f"{url}/predict", {"rows": [ROW, {**ROW, "charge": None}]})
    assert status == 200 and body["version"] == "0042-v1"
    assert body["answers"] == predictor.predict([ROW, {**ROW, "charge": None}])
    assert body["warnings"] == []


def test_reasons_can_be_left_out(url: str) -> None:
    _, body = ask(f"{url}/predict", {"rows": [ROW], "reasons": False})
    assert "reasons" not in body["answers"][0]


def test_an_unseen_level_is_answered_with_a_warning(url: str) -> None:
    status, body = ask(f"{url}/predict", {"rows": [{**ROW, "contract": "ten years"}]})
    assert status == 200
    assert body["warnings"][0]["code"] == "SW224" and body["warnings"][0]["column"] == "contract"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"rows": [{k: v for k, v in ROW.items() if k != "tenure"}]}, "'tenure' is missing"),
        ({"rows": [{**ROW, "tenure": "long"}]}, "'long' is no number"),
        ({"rows": [ROW] * 51}, "at most 50"),
        ({"row": ROW}, "not understood"),
        (b"{not json", "not understood"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_the_reason(url: str, body: Any, said: str) -> None:
    status, answer = ask(f"{url}/predict", body)
    assert status == 422
    assert said in answer["error"]["message"]
    assert set(answer["error"]) == {"severity", "code", "message", "where", "fix"}


def test_no_rows_get_no_answers(url: str) -> None:
    assert ask(f"{url}/predict", {"rows": []})[1]["answers"] == []


def test_health_and_schema_are_told(url: str) -> None:
    assert ask(f"{url}/health") == (200, {"status": "ok", "version": "0042-v1"})
    _, schema = ask(f"{url}/schema")
    assert schema["target"] == "churn" and schema["columns"]["tenure"]["kind"] == "numeric"
