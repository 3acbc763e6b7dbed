"""The module without a page, in workers. For Node.js see test_npm_clients.py."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.follower import change
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

WORKER = """
  import {{ connect }} from "{url}/sse/static/notifications.js";
  const follow = (port) => connect({{
    url: "{url}/sse/session/table-7",
    getToken: () => "{token}",
    onState: (state) => port.postMessage(state),
    onEvent: (type) => port.postMessage(type),
  }});
"""
START = """(script) => {
  window.heard = [];
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new WORKER(url, { type: "module" });
  const port = worker.port ?? worker;
  port.onmessage = ({ data }) => window.heard.push(data);
  worker.onerror = ({ message }) => window.heard.push(message);
}"""


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("Worker", "follow(self);"),
        ("SharedWorker", "self.onconnect = ({ ports: [port] }) => follow(port);"),
    ],
)
def test_a_worker_follows_a_stream(
    context: BrowserContext, server: ServiceServer, kind: str, start: str
) -> None:
    page = context.new_page()
    page.goto(f"{server.url}/sse/health")
    token = server.token("customer", "table-7")
    script = WORKER.format(url=server.url, token=token) + start
    page.evaluate(START.replace("WORKER", kind), script)
    wait_until(lambda: page.evaluate("heard") == ["connecting", "live"], 10)
    change(server)
    wait_until(lambda: page.evaluate("heard.includes('order_update')"), 10)
    page.close()
    wait_until(lambda: server.open_streams() == 0)
