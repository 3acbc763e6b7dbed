# mypy: ignore-errors
# Runs in the peer's own environment, which has other packages than ours.
"""sse-starlette: one asyncio.Queue per stream, a set of queues per channel."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator

from event import order_update
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

queues: defaultdict[str, set[asyncio.Queue[ServerSentEvent]]] = defaultdict(set)


async def events(channel: str) -> AsyncIterator[ServerSentEvent]:
    queue: asyncio.Queue[ServerSentEvent] = asyncio.Queue()
    queues[channel].add(queue)
    try:
        while True:
            yield await queue.get()
    finally:
        queues[channel].discard(queue)


async def stream(request: Request) -> EventSourceResponse:
    return EventSourceResponse(events(request.path_params["channel"]), ping=30)


def send(channel: str, sequence: int) -> None:
    data = json.dumps(order_update(sequence))
    event = ServerSentEvent(data, event="order_update", id=str(sequence))
    for queue in queues[channel]:
        queue.put_nowait(event)


async def publish(request: Request) -> JSONResponse:
    ask = request.query_params
    channels, first, count = int(ask["channels"]), int(ask["first"]), int(ask["count"])
    rate = float(ask["rate"])
    began = time.monotonic()
    for k in range(count):
        if rate:
            await asyncio.sleep(max(0.0, began + k / rate - time.monotonic()))
        send(f"{ask['prefix']}{(first + k) % channels}", first + k)
    return JSONResponse({"sent": count, "elapsed_ms": (time.monotonic() - began) * 1000})


app = Starlette(
    routes=[
        Route("/stream/{channel}", stream),
        Route("/publish", publish, methods=["POST"]),
    ]
)
