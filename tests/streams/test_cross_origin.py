"""Front ends of other origins: the listed ones may read answers, the others may not."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.streams.origins import LISTED
from tests.support.shared_server import SharedServer


def ask(house: SharedServer, method: str, path: str, **kwargs: Any) -> requests.Response:
    with house.request(method, path, stream=True, **kwargs) as answer:
        return answer


def requests_of_a_front_end(house: SharedServer) -> dict[str, tuple[str, str, dict[str, Any]]]:
    token = house.token("waiter", "anna")
    return {
        "stream": ("GET", "/sse/waiter/anna", {"token": token}),
        "refused stream": ("GET", "/sse/waiter/ben", {"token": token}),
        "stream without token": ("GET", "/sse/waiter/anna", {}),
        "token": ("POST", "/sse/token", {"token": token}),
    }


@pytest.mark.parametrize("name", ["stream", "refused stream", "stream without token", "token"])
def test_listed_origin_may_read_every_answer_with_its_cookie(
    house: SharedServer, name: str
) -> None:
    """It may read refusals too, because a page must be able to show the reason."""
    method, path, kwargs = requests_of_a_front_end(house)[name]
    answer = ask(house, method, path, headers={"Origin": LISTED}, **kwargs)
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize("name", ["stream", "token"])
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example.com", "null", LISTED + ".evil.example.com", LISTED.replace("s:", ":")],
)
def test_other_origins_may_read_nothing(house: SharedServer, name: str, origin: str) -> None:
    method, path, kwargs = requests_of_a_front_end(house)[name]
    answer = ask(house, method, path, headers={"Origin": origin}, **kwargs)
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_browser_may_send_its_token_and_its_place(house: SharedServer) -> None:
    for path, method in (("/sse/waiter/anna", "GET"), ("/sse/token", "POST")):
        answer = ask(
            house,
            "OPTIONS",
            path,
            headers={
                "Origin": LISTED,
                "Access-Control-Request-Method": method,
                "Access-Control-Request-Headers": "authorization,last-event-id",
            },
        )
        assert answer.status_code == 200
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert "authorization" in allowed
        assert "last-event-id" in allowed
        assert method in answer.headers["Access-Control-Allow-Methods"]
