"""A fingerprint distinguishes databases by host, name and schema."""

from __future__ import annotations

import pytest

from waiter_service import Database


def fingerprint(url: str) -> str:
    return Database(url).fingerprint


PLAIN = "postgresql://restaurant:secret@db.internal/floor"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://restaurant:secret@db.internal/floor",
        "postgresql+psycopg://restaurant:secret@db.internal:5432/floor",
        "postgresql://till:another@DB.internal/floor",
        "postgresql:///floor?host=db.internal",
        "postgresql:///floor?host=db.internal&port=5432",
        PLAIN + "?options=-c%20search_path%3Dpublic",
        PLAIN + "?sslmode=require",
    ],
)
def test_every_spelling_of_a_database_has_the_same_fingerprint(url: str) -> None:
    assert fingerprint(url) == fingerprint(PLAIN)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://restaurant:secret@db2.internal/floor",
        "postgresql://restaurant:secret@db.internal:5433/floor",
        "postgresql://restaurant:secret@db.internal/floor2",
        PLAIN + "?options=-c%20search_path%3Dsouth",
        "postgresql://restaurant:secret@localhost/floor",
        "sqlite:////var/lib/floor.db",
    ],
)
def test_another_host_name_or_schema_has_another_fingerprint(url: str) -> None:
    assert fingerprint(url) != fingerprint(PLAIN)


def test_order_of_failover_hosts_does_not_matter() -> None:
    one, two = "host=a:5432&host=b:5433", "host=b:5433&host=a:5432"
    assert fingerprint(f"postgresql:///floor?{one}") == fingerprint(f"postgresql:///floor?{two}")
    lists = "host=a,b&port=5432,5433"
    assert fingerprint(f"postgresql:///floor?{lists}") == fingerprint(f"postgresql:///floor?{one}")


def test_local_databases_of_two_machines_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    urls = ["postgresql://u@localhost/floor", "postgresql://u@127.0.0.1/floor", "sqlite:////floor"]
    urls.append("postgresql://u@/floor?host=/run/postgresql")
    here = [fingerprint(url) for url in urls]
    assert here[0] == here[1] == here[3]
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert all(fingerprint(url) not in here for url in urls)


def test_fingerprint_reveals_nothing_of_the_url() -> None:
    assert len(fingerprint(PLAIN)) == 16
    assert int(fingerprint(PLAIN), 16)


def test_each_schema_has_its_own_fingerprint_however_it_is_set() -> None:
    south = Database(PLAIN, schema="south").fingerprint
    assert south != fingerprint(PLAIN)
    assert south == fingerprint(PLAIN + "?options=-c%20search_path%3Dsouth")
    assert Database(PLAIN, schema="public").fingerprint == fingerprint(PLAIN)
    options = PLAIN + "?options=-c%20search_path%3Dnorth"
    assert Database(options, schema="south").fingerprint == south
