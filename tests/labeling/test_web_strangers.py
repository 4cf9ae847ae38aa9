"""Another site, open in the same browser as the page."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

pytestmark = pytest.mark.browser

TRIES = """
const [address, key, done] = arguments;
const body = JSON.stringify({question: key, class: "cat"});
const post = (type, mode) => fetch(address + "answer", {method: "POST", mode, headers: {"content-type": type}, body});
const tries = [post("text/plain", "no-cors"), post("application/json", "cors"), fetch(address + "state/none")];
Promise.allSettled(tries).then((results) => done(results.map(({value}) => Boolean(value && value.ok))));
"""
FRAME = """
const [address, done] = arguments;
const frame = Object.assign(document.createElement("iframe"), {src: address});
frame.onload = () => done(frame.contentDocument === null);  // until it is loaded it is a blank page of this site
document.body.append(frame);
"""


class OtherSite(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>another site</title>")

    def log_message(self, *args):
        pass


@pytest.fixture
def other_site():
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherSite) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_another_site_in_the_same_browser_gets_nothing(web, ask, images, listen, chromium, client, other_site):
    """Though it knows the address and the question: it is of another origin."""
    oracle = web(["cat"])
    heard = listen(oracle, ask(images, range(1)))
    key = client(oracle).state()["question"]["key"]
    chromium.get(other_site)
    assert chromium.title == "another site"
    assert chromium.execute_async_script(TRIES, oracle.url, key) == [False, False, False]
    assert chromium.execute_async_script(FRAME, oracle.url) is True  # a notebook may frame it, but nobody looks inside
    assert oracle.answers == []
    chromium.get(oracle.url)  # the page itself may, but as JSON alone
    assert chromium.execute_async_script(TRIES, oracle.url, key) == [False, True, True]
    assert heard.labels() == ["cat"]
