# mypy: ignore-errors
# Runs in the peer's own environment, which has other packages than ours.
"""flask-sse as its manual shows it: the blueprint, Redis behind it, gunicorn with gevent."""

from __future__ import annotations

import os
import time

from event import order_update
from flask import Flask, request
from flask_sse import sse

app = Flask(__name__)
app.config["REDIS_URL"] = os.environ["REDIS_URL"]
app.register_blueprint(sse, url_prefix="/stream")


@app.post("/publish")
def publish() -> dict[str, float]:
    ask = request.args
    channels, first, count = int(ask["channels"]), int(ask["first"]), int(ask["count"])
    rate = float(ask["rate"])
    began = time.monotonic()
    for k in range(first, first + count):
        if rate:
            time.sleep(max(0.0, began + (k - first) / rate - time.monotonic()))
        channel = f"{ask['prefix']}{k % channels}"
        sse.publish(order_update(k), type="order_update", id=str(k), channel=channel)
    return {"sent": count, "elapsed_ms": (time.monotonic() - began) * 1000}
