"""Who gets what from the server of WebOracle, and what it takes for an answer."""

import socket

import pytest

PATHS = [
    ("GET", ""),
    ("GET", "page.js"),
    ("GET", "state/none"),
    ("POST", "answer"),
    ("POST", "undo"),
    ("POST", "class"),
]


@pytest.mark.parametrize(
    ("headers", "root", "status"),
    [
        ({}, "/", 404),
        ({}, "/0123456789abcdef0123456789abcdef/", 404),
        ({}, "/%C3%A9/", 404),
        ({"host": "evil.example"}, None, 403),
        ({"host": "127.0.0.1.evil.example:80"}, None, 403),
        ({"host": ""}, None, 403),
        ({"origin": "http://evil.example"}, None, 403),
        ({"origin": "null"}, None, 403),
        ({"origin": "http://127.0.0.1:1"}, None, 403),
        ({"origin": "https://127.0.0.1"}, None, 403),
    ],
)
def test_strangers_get_nothing(asking, headers, root, status):
    oracle, client, _ = asking
    for method, path in PATHS:
        got, _, body = client(method, path, "{}" if method == "POST" else None, headers, root)
        assert (got, body) == (status, b"")
    assert oracle.answers == []


def test_a_form_of_another_site_cannot_post(asking):
    oracle, client, _ = asking
    said = {"question": client.state()["question"]["key"], "class": "cat"}
    for headers in ({"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}):
        assert client("POST", "answer", said, headers)[0] == 415
    client("GET", "answer")
    host = client.address.netloc
    raw = f"POST {client.address.path}answer HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((client.address.hostname, client.address.port), timeout=20) as connection:
        connection.sendall(f"{raw}Content-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        assert b" 403 " in connection.recv(200)
    assert oracle.answers == []


def test_only_this_machine_is_served(asking):
    oracle, client, _ = asking
    assert client.address.hostname == "127.0.0.1"
    assert client("GET", "state/none", headers={"host": f"localhost:{client.address.port}"})[0] == 200
    assert oracle._service.server._socket.getsockname()[0] == "127.0.0.1"


def test_every_response_forbids_what_the_page_does_not_need(asking):
    _, client, _ = asking
    for method, path, root in [("GET", "", None), ("GET", "state/none", None), ("GET", "x", None), ("GET", "", "/")]:
        headers = client(method, path, root=root)[1]
        assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x" * 5000, 413),
        (b"", 400),
        (b"[]", 400),
        (b"[" * 4000, 400),
        (b"\xff", 400),
        (b'{"class": 0}', 400),
        (b'{"class": ""}', 400),
        (b'{"class": ["cat"]}', 400),
        (b'{"class": true}', 400),
        (b'{"class": "cat", "confidence": 1.1}', 400),
        (b'{"class": "cat", "confidence": NaN}', 400),
        (b'{"class": "cat", "confidence": true}', 400),
        (b'{"reply": "maybe"}', 400),
        (b'{"reply": ["skip"]}', 400),
        (b'{"class": "cat", "question": "other"}', 409),
        (b'{"class": "cat", "question": 3}', 409),
    ],
)
def test_what_is_no_answer_is_refused(asking, body, status):
    oracle, client, _ = asking
    assert client("POST", "answer", body)[0] == status
    assert oracle.answers == []


@pytest.mark.parametrize("body", [b"{}", b'{"name": null}', b'{"name": 3}', b'{"name": {"a": 1}}', b'{"name": " "}'])
def test_what_is_no_name_makes_no_class(asking, body):
    _, client, _ = asking
    assert client("POST", "class", body)[0] == 400
    assert client.state()["classes"] == ["cat", "dog"]


def test_a_body_without_an_end_is_cut_off(asking):
    _, client, _ = asking
    request = (
        f"POST {client.address.path}answer HTTP/1.1\r\nHost: {client.address.netloc}\r\n"
        f"Origin: http://{client.address.netloc}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((client.address.hostname, client.address.port), timeout=20) as connection:
        connection.sendall(request.encode() + b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(5)))
        assert b" 413 " in connection.recv(200)


def test_a_slow_body_is_not_waited_for(asking, monkeypatch):
    monkeypatch.setattr("sklvae.labeling._web_app.BODY_SECONDS", 0.1)
    _, client, _ = asking
    assert client("POST", "answer", "", {"content-length": "9"})[0] == 408
