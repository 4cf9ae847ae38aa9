import http.client
import json
import time
from threading import Thread
from urllib.parse import urlsplit

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from sklvae.labeling import Query, QueryBatch, WebOracle

SECONDS = 20
"""No wait of these tests is longer."""


@pytest.fixture
def until():
    """Wait until something is true, and give it."""

    def wait(condition, what="the condition"):
        end = time.monotonic() + SECONDS
        while not (value := condition()):
            assert time.monotonic() < end, f"{what} was not met in {SECONDS} s"
            time.sleep(0.02)
        return value

    return wait


@pytest.fixture
def images():
    """Forty 4 x 4 images of bytes."""
    return np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)


@pytest.fixture
def ask():
    """Make questions about rows of X, centers and samples in turn, each with its next rows beside it."""

    def make(X, rows, suggestion=None, round_=0):
        queries = []
        for i, row in enumerate(rows):
            index = None if i % 2 == 0 else int(row)
            kind = "center" if index is None else "sample"
            members = np.arange(row, min(row + 4, len(X)))
            queries.append(Query(i, np.asarray(X)[row], kind, index, i, 0, round_, members, suggestion))
        return QueryBatch(queries)

    return make


class Listening(Thread):
    """Reads the replies of an oracle as a fit does, apart from the test, which plays the person."""

    def __init__(self, oracle, queries):
        super().__init__(daemon=True)
        self.replies, self.heard, self.failure = oracle(queries), [], None
        self.start()

    def run(self):
        try:
            for answer in self.replies:
                self.heard.append(answer)
        except Exception as error:
            self.failure = error

    def labels(self):
        """What was answered, once all is."""
        self.join(SECONDS)
        assert not self.is_alive()
        assert self.failure is None
        return [answer.label for answer in self.heard]


@pytest.fixture
def listen():
    return Listening


@pytest.fixture
def web():
    """Make web oracles that show themselves to nobody and end with the test."""
    made = []

    def make(*args, **parameters):
        made.append(WebOracle(*args, **{"show": lambda url: None, "review": 0, "timeout": SECONDS, **parameters}))
        made[-1].open()
        return made[-1]

    yield make
    for oracle in made:
        oracle.close()


class Client:
    """A browser without a page: sends what it is told and gives status, headers and body."""

    def __init__(self, oracle):
        self.address = urlsplit(oracle.url)

    def __call__(self, method, path, body=None, headers=(), root=None):
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=SECONDS)
        own = {} if method == "GET" else {"origin": f"http://{self.address.netloc}", "content-type": "application/json"}
        body = json.dumps(body) if isinstance(body, dict) else body
        path = (self.address.path if root is None else root) + path
        try:
            connection.request(method, path, body, {**own, **dict(headers)})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def state(self):
        status, _, body = self("GET", "state/none")
        assert status == 200
        return json.loads(body)

    def post(self, path, **body):
        status, _, body = self("POST", path, body)
        return status, json.loads(body) if body else None

    def answer(self, **said):
        return self.post("answer", question=self.state()["question"]["key"], **said)[0]


@pytest.fixture
def client():
    return Client


@pytest.fixture
def asking(web, client, ask, images, listen):
    """An oracle that asks two questions, a client, and who listens to the answers."""
    oracle = web(["cat", "dog"], X=images)
    heard = listen(oracle, ask(images, [3, 9]))
    return oracle, client(oracle), heard


OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1000,800",
]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """Debian's chromium, which records every request that it makes."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for option in [*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(SECONDS)
    driver.set_script_timeout(SECONDS)
    yield driver
    driver.quit()


class Person:
    """Somebody in front of the page of an oracle."""

    def __init__(self, driver, until, url):
        self.driver, self.until = driver, until
        driver.get_log("performance")
        driver.get_log("browser")
        driver.get(url)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.driver.execute_script("return document.querySelector(arguments[0]).textContent", selector)

    def sees(self, phase):
        return self.until(lambda: phase in self.driver.execute_script("return document.body.className"), phase)

    def sees_question(self, number):
        return self.until(lambda: f"question {number} of" in self.text("#where"), f"question {number}")

    def press(self, *keys):
        """Press keys, each after the answer to the one before has come."""
        for key in keys:
            before = self.look()
            self.driver.switch_to.active_element.send_keys(key)
            if key != "n":
                self.until(lambda before=before: self.look() != before, f"an effect of the key {key!r}")

    def look(self):
        """What changes with every answer and every level of confidence."""
        return self.driver.execute_script("return document.body.className"), self.text("#where"), self.text("#percent")

    def click(self, selector):
        self.find(selector).click()

    def click_class(self, name):
        (button,) = [one for one in self.all("#classes button") if one.get_attribute("aria-label") == name]
        button.click()

    def requests(self):
        """Every address that the browser has asked since this person came."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"]


@pytest.fixture
def person(chromium, until):
    """Let somebody come to an oracle, or to its address."""

    def come(place):
        return Person(chromium, until, getattr(place, "url", place))

    yield come
    for handle in chromium.window_handles[1:]:
        chromium.switch_to.window(handle)
        chromium.close()
    chromium.switch_to.window(chromium.window_handles[0])
    chromium.get("about:blank")
