"""Repeats given HTTP calls on many connections at once, until it is stopped.

``python -m tests.support.attacker PORT TOKEN CONNECTIONS CALL...``: each call is a
method, a path and a body of JSON or nothing, joined by spaces. A process of its own,
so that it takes no processor time from the test's own.
"""

from __future__ import annotations

import http.client
import sys
import threading


def attack(port: int, token: str, calls: list[list[str]], first: int) -> None:
    """Make the calls one after another, beginning with the one numbered ``first``."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    turn = first
    while True:
        method, path, body = calls[turn % len(calls)]
        turn += 1
        try:
            connection.request(method, path.replace("{n}", str(turn)), body or None, headers)
            answer = connection.getresponse()
            if answer.getheader("Content-Type", "").startswith("text/event-stream"):
                connection.close()
                continue
            size = len(answer.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            continue
        if size > 1_000_000:
            print(f"{method} {path} answered {size} bytes", flush=True)  # noqa: T201


def main() -> None:
    port, token, connections, *calls = sys.argv[1:]
    parsed = [([*call.split(" ", 2), ""])[:3] for call in calls]
    for number in range(int(connections)):
        threading.Thread(
            target=attack, args=(int(port), token, parsed, number), daemon=True
        ).start()
    print("attacking", flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    main()
