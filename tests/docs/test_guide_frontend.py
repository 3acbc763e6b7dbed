"""The examples of the front-end guide do in a real browser what the guide says."""

import pytest
from playwright.sync_api import sync_playwright

from tests.support.documents import examples
from tests.support.programs import REPOSITORY, find_program
from tests.support.waiting import wait_until
from waiter_service.revocations import Revocations

pytestmark = pytest.mark.browser

GUIDE = REPOSITORY / "docs" / "guide-frontend.md"


def example(name):
    (found,) = (each.code for each in examples(GUIDE, "js") if f"function {name}(" in each.code)
    return found


@pytest.fixture(scope="module")
def chromium():
    path = find_program("chromium")
    with sync_playwright() as playwright:
        # Chromium does not start as root with its sandbox.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def server(start_server):
    """A server that allows pages of another origin, which is the same server by its other name."""
    server = start_server(start=False)
    server.env["CORS_ORIGINS"] = f"http://localhost:{server.port}"
    server.start()
    return server


@pytest.fixture
def open_page(chromium, server):
    """Open a page of the server, with the functions of the example as ``example``."""
    context = chromium.new_context()

    def make(name, host="127.0.0.1"):
        page = context.new_page()
        page.route(
            "**/example.js",
            lambda route: route.fulfill(body=example(name), content_type="text/javascript"),
        )
        page.expose_function("getToken", lambda: server.token("customer", "table-7"))
        page.goto(f"http://{host}:{server.port}/sse/health")
        page.evaluate("async () => { window.example = await import('/example.js') }")
        return page

    yield make
    context.close()


def status_on(page):
    return page.evaluate("window.drawn?.orders[0].status")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["same origin", "another"])
def test_example_with_the_client_library_keeps_a_screen_up_to_date(open_page, server, host):
    page = open_page("follow", host)
    page.evaluate(
        """(service) => example.follow({
          snapshotUrl: `${service}/api/sessions/table-7`,
          streamUrl: `${service}/sse/session/table-7`,
          getToken,
          draw: (snapshot) => { window.drawn = snapshot },
          onState: (state) => { window.state = state },
        })""",
        server.url,
    )
    wait_until(lambda: page.evaluate("window.state") == "live")
    assert status_on(page) == "New"

    server.service.update_order_status("ord-1", "InProgress")

    wait_until(lambda: status_on(page) == "InProgress")


def test_example_without_the_library_survives_a_restart_and_ends_after_a_revocation(
    open_page, server
):
    page = open_page("followByHand")
    page.evaluate(
        """() => {
          window.heard = [];
          window.close = example.followByHand({
            streamUrl: "/sse/session/table-7",
            getToken,
            hear: (type, data) => heard.push({ type, ...data }),
          });
        }"""
    )

    def heard(key, kind):
        return page.evaluate(
            "([kind, key]) => heard.filter(({ type }) => type === kind).map((each) => each[key])",
            [kind, key],
        )

    wait_until(lambda: heard("resumed", "connection") == [False])
    server.service.update_order_status("ord-1", "Acknowledged")
    wait_until(lambda: heard("version", "order_update") == [2])

    server.stop()
    server.service.update_order_status("ord-1", "InProgress")
    server.start()
    server.service.update_order_status("ord-1", "Complete")

    wait_until(lambda: heard("version", "order_update") == [2, 3, 4], 30)
    assert heard("code", "closing") == ["draining"]
    assert heard("resumed", "connection") == [False, True]

    Revocations(server.service.database).revoke_session("table-7")

    wait_until(lambda: heard("code", "closing") == ["draining", "token_revoked"])
    wait_until(lambda: server.open_streams() == 0)


def test_example_without_the_library_ends_after_a_refusal(open_page, server):
    page = open_page("followByHand")
    page.evaluate(
        """() => {
          window.heard = [];
          const hear = (type) => heard.push(type);
          const getToken = () => "nonsense";
          example.followByHand({ streamUrl: "/sse/session/table-7", getToken, hear });
        }"""
    )

    wait_until(lambda: page.evaluate("heard") == ["refused"])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_example_without_the_library_treats_a_foreign_refusal_as_an_outage(
    open_page, server, status
):
    page = open_page("followByHand")
    refused = []

    def refuse(route):
        refused.append(status)
        route.fulfill(status=status, content_type="text/html", body="<h1>Deploying</h1>")

    page.route("**/sse/token", refuse)
    page.evaluate(
        """() => {
          window.heard = [];
          const hear = (type) => heard.push(type);
          example.followByHand({ streamUrl: "/sse/session/table-7", getToken, hear });
        }"""
    )
    wait_until(lambda: page.evaluate("heard") == [] and len(refused) > 1, 20)
    page.unroute("**/sse/token")
    wait_until(lambda: page.evaluate("heard").count("connection") == 1, 20)


@pytest.mark.parametrize(
    ("data", "floor_ms", "cap_ms"),
    [
        ('{"reconnect":true,"reconnectInMs":700}', 700, 2_700),
        ('{"reconnect":true,"reconnectInMs":1e15}', 300_000, 302_000),
        ('{"reconnect":true,"reconnectInMs":-1}', 0, 2_000),
        ('{"reconnect":true,"reconnectInMs":"soon"}', 0, 2_000),
        ("null", 0, 2_000),
    ],
)
def test_example_without_the_library_bounds_the_time_before_it_reconnects(
    open_page, data, floor_ms, cap_ms
):
    page = open_page("followByHand")
    page.evaluate(
        """() => {
          window.EventSource = class extends EventTarget {
            constructor() { super(); window.source = this; }
            close() {}
          };
          example.followByHand({ streamUrl: "/sse/session/table-7", getToken, hear() {} });
        }"""
    )
    page.wait_for_function("window.source")
    pause = page.evaluate(
        """(data) => {
          let pause;
          window.setTimeout = (act, ms) => { pause = ms; };
          source.dispatchEvent(new MessageEvent("closing", { data }));
          return pause;
        }""",
        data,
    )
    assert floor_ms <= pause <= cap_ms


def test_example_without_the_library_opens_no_stream_after_it_is_closed(open_page, server):
    page = open_page("followByHand")
    with page.expect_response("**/sse/token"):
        page.evaluate(
            """() => {
              window.opened = 0;
              window.EventSource = class { constructor() { opened += 1; } };
              const close = example.followByHand({
                streamUrl: "/sse/session/table-7", getToken, hear() {},
              });
              close();
            }"""
        )
    page.evaluate(
        "fetch('/sse/health').then((answer) => answer.text())"
    )  # a later request, so the stream had its chance

    assert page.evaluate("opened") == 0


def test_example_applies_only_newer_events(open_page):
    page = open_page("apply")
    taken = page.evaluate(
        """() => {
          const card = { status: "New", version: 3 };
          const cards = new Map([["ord-1", card]]);
          const apply = (orderId, status, version) =>
            [example.apply(cards, { orderId, status, version }), card.status, card.version];
          return [apply("ord-1", "Paid", 3), apply("ord-1", "Acknowledged", 4),
            apply("ord-1", "Complete", null), apply("ord-2", "New", 1)];
        }"""
    )

    assert taken == [
        ["old", "New", 3],
        ["drawn", "Acknowledged", 4],
        ["drawn", "Complete", 4],
        ["load", "Complete", 4],
    ]
