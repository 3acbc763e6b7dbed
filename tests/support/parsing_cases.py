"""Event-stream bytes and the events that the specification requires, for all our parsers.

Adapted from LaunchDarkly's SSE contract tests: the same situations, with the
JSON objects and the event types of this service.
"""

from __future__ import annotations

from dataclasses import dataclass

BOM = "\ufeff"


@dataclass(frozen=True)
class ParsingCase:
    """Bytes in ``chunks``, and the events (type, data, last event id) that they are."""

    name: str
    chunks: tuple[bytes, ...]
    events: tuple[tuple[str, str, str], ...]


def _case(name: str, text: str, *events: tuple[str, str, str]) -> ParsingCase:
    return ParsingCase(name, (text.encode(),), events)


def _hello(
    event_type: str = "message", text: str = '{"n":1}', event_id: str = ""
) -> tuple[str, str, str]:
    return (event_type, text, event_id)


_FIELDS = (
    _case("one line of data", 'data: {"n":1}\n\n', _hello()),
    _case(
        "two events",
        'data: {"n":1}\n\ndata: {"n":2}\n\n',
        _hello(),
        _hello(text='{"n":2}'),
    ),
    _case("two lines of data", 'data: {"n":\ndata:1}\n\n', _hello(text='{"n":\n1}')),
    _case("empty data", "data:\n\n", _hello(text="")),
    _case("a type", 'event: order_update\ndata: {"n":1}\n\n', _hello("order_update")),
    _case("an empty type is the default", 'event:\ndata: {"n":1}\n\n', _hello()),
    _case("an id", 'id: a-1\ndata: {"n":1}\n\n', _hello(event_id="a-1")),
    _case("an id with NUL is ignored", 'id: a\0b\ndata: {"n":1}\n\n', _hello()),
    _case(
        "an id stays until another comes",
        'id: a-1\ndata: {"n":1}\n\ndata: {"n":1}\n\n',
        _hello(event_id="a-1"),
        _hello(event_id="a-1"),
    ),
    _case(
        "an empty id clears it",
        'id: a-1\ndata: {"n":1}\n\nid:\ndata: {"n":1}\n\n',
        _hello(event_id="a-1"),
        _hello(),
    ),
    _case(
        "an id without data counts for the next event",
        'id: a-1\n\ndata: {"n":1}\n\n',
        _hello(event_id="a-1"),
    ),
    _case(
        "fields in any order",
        'data: {"n":1}\nid: a-1\nevent: order_update\n\n',
        _hello("order_update", event_id="a-1"),
    ),
    _case("an unknown field", 'colour: blue\ndata: {"n":1}\n\n', _hello()),
    _case("no space after the colon", 'event:overdue\ndata:{"n":1}\n\n', _hello("overdue")),
    _case("a second space is data", "data:  x\n\n", _hello(text=" x")),
    _case("a field without a colon", "data\n\ndata\ndata\n\n", _hello(text=""), _hello(text="\n")),
    _case("a colon alone is a comment", ':\ndata: {"n":1}\n\n', _hello()),
    _case("comments", ':one\n: two\ndata: {"n":1}\n:three\n\n', _hello()),
    _case("a type without data is no event", 'event: x\n\ndata: {"n":1}\n\n', _hello()),
    _case("a block without its end is no event", 'data: {"n":1}\n\ndata: {"n":2}\n', _hello()),
    _case("characters of many bytes", "data: €豆腐\n\n", _hello(text="€豆腐")),
    _case("a byte order mark", f'{BOM}data: {{"n":1}}\n\n', _hello()),
    _case("a byte order mark before a comment", f'{BOM}:one\ndata: {{"n":1}}\n\n', _hello()),
    _case(
        "only the first byte order mark",
        f"{BOM}data: {BOM}x\n\ndata: {BOM}y\n\n",
        _hello(text=f"{BOM}x"),
        _hello(text=f"{BOM}y"),
    ),
    _case(
        "a hundred events in a row",
        "".join(f"data: {n}\n\n" for n in range(100)),
        *(_hello(text=str(n)) for n in range(100)),
    ),
)

_LINE_ENDS = tuple(
    _case(
        f"{name} ends a line",
        text.replace("\n", line_end),
        ("message", "one", ""),
        ("message", "\ntwo\n\nthree", ""),
        ("message", "four", ""),
    )
    for name, line_end in (("LF", "\n"), ("CR LF", "\r\n"), ("CR", "\r"))
    for text in ("data: one\n\ndata:\ndata: two\ndata:\ndata: three\n\n\n\ndata: four\n\n",)
)

_CR_AT_THE_END_OF_A_CHUNK = ParsingCase(
    "CR at the end of a chunk",
    (b"data: one\r", b"\ndata: two\r", b"\n\r\ndata: three\r", b"\n", b"\r", b"\n"),
    (("message", "one\ntwo", ""), ("message", "three", "")),
)

CASES = (*_FIELDS, *_LINE_ENDS, _CR_AT_THE_END_OF_A_CHUNK)
