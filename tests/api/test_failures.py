"""Calls while the database is unavailable."""

import pytest


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/sessions/table-7", None),
        ("GET", "/api/waiters/anna/floor", None),
        ("PATCH", "/api/orders/ord-1", {"status": "Acknowledged"}),
        ("POST", "/api/sessions/table-7/requests", {"kind": "bill"}),
    ],
)
def test_an_answer_without_the_database_says_when_to_try_again(anna, service, method, path, body):
    assert anna.get("/api/waiters/anna/floor").status_code == 200
    service.database.dispose()
    path_on_disk = service.database.sqlite_path
    path_on_disk.unlink()
    path_on_disk.mkdir()  # no file can be opened there

    answer = anna.call(method, path, json=body)

    assert answer.status_code == 503
    assert answer.content_type == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    assert str(path_on_disk) not in answer.text
