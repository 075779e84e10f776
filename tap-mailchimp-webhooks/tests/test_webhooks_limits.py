from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.server import connections
from kinetic_mailchimp.kit.server.bounded_server import LARGEST_HEAD, MOST_HEADERS
from kinetic_mailchimp.kit.server.connections import Limits
from kinetic_mailchimp.kit.server.proxies import Proxies
from tap_mailchimp_webhooks.events.delivery import FORM
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver.app import limits_of
from tap_mailchimp_webhooks.receiver.settings import ReceiverSettings
from tap_mailchimp_webhooks.webhooks.path_secret import PathSecrets

PATH = "/webhooks/mailchimp/a-path-secret-of-the-tests"
HALF_OF_A_HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode()
HALF_OF_A_BODY = HALF_OF_A_HEAD + b"Content-Length: 100\r\n\r\ntype=unsubscribe"


@pytest.fixture
def connect() -> Iterator[Callable[[str], socket.socket]]:
    with ExitStack() as stack:

        def open_one(url: str) -> socket.socket:
            address = urlsplit(url)
            assert address.hostname
            made = socket.create_connection((address.hostname, address.port or 0), timeout=60)
            return stack.enter_context(made)

        yield open_one


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the server closes."""
    found = b""
    try:
        while some := connection.recv(65_536):
            found += some
    except ConnectionError:
        pass
    return found


def deliver(url: str, form: Callable[..., bytes], email: str = "ada@example.com") -> requests.Response:
    return requests.post(url + PATH, data=form(email=email), headers={"Content-Type": FORM}, timeout=60)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * (2 * LARGEST_HEAD),
        b"GET / HTTP/1.1\r\nX: " + b"x" * (2 * LARGEST_HEAD) + b"\r\n\r\n",
        b"GET /" + b"x" * (2 * LARGEST_HEAD) + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: x\r\n" * (MOST_HEADERS + 1) + b"\r\n",
    ],
    ids=["without an end", "a long header", "a long URL", "many headers"],
)
def test_a_head_that_is_too_large_is_refused_and_cut_off(
    start_receiver: Callable[..., str], connect: Callable[[str], socket.socket], head: bytes
) -> None:
    connection = connect(start_receiver())

    connection.sendall(head)

    # What it has not read makes the system reset the connection, perhaps before the answer is read.
    assert answer_of(connection)[:12] in {b"HTTP/1.1 431", b""}


def test_a_head_without_an_end_is_not_kept(
    start_receiver: Callable[..., str], connect: Callable[[str], socket.socket]
) -> None:
    connection = connect(start_receiver())
    connection.sendall(b"GET / HTTP/1.1\r\nX: ")

    with pytest.raises(ConnectionError):
        connection.sendall(b"x" * 60_000_000)


@pytest.mark.parametrize(
    "never_ending",
    [b"1;", b"", b"0\r\nX: ", b"0\r\n"],
    ids=["an extension", "a size", "a trailer's value", "a trailer's name"],
)
def test_what_surrounds_a_body_has_an_end(
    start_receiver: Callable[..., str], connect: Callable[[str], socket.socket], never_ending: bytes
) -> None:
    connection = connect(start_receiver())
    connection.sendall(HALF_OF_A_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + never_ending)

    with pytest.raises(ConnectionError):
        connection.sendall(b"0" * 60_000_000)


def test_a_body_that_goes_on_after_its_answer_is_cut_off(
    start_receiver: Callable[..., str], connect: Callable[[str], socket.socket]
) -> None:
    connection = connect(start_receiver())
    head = HALF_OF_A_HEAD.replace(b"-of-the-tests", b"-of-nobody") + b"Transfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head)

    with pytest.raises(ConnectionError):
        connection.sendall((b"1000\r\n" + b"x" * 0x1000 + b"\r\n") * 15_000)


@pytest.mark.parametrize(
    "following",
    [b"\0", b"GET / HTTP/9\r\n\r\n", HALF_OF_A_HEAD + b"X: " + b"x" * 20 * LARGEST_HEAD],
)
def test_nobody_outside_writes_into_the_log(
    start_receiver: Callable[..., str],
    connect: Callable[[str], socket.socket],
    caplog: pytest.LogCaptureFixture,
    following: bytes,
) -> None:
    url = start_receiver()
    caplog.clear()
    connection = connect(url)
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n".encode() + upgrade)
    assert connection.recv(12) == b"HTTP/1.1 200"

    connection = connect(url)
    with suppress(ConnectionError):
        connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode() + following)

    answer_of(connection)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert "Traceback" not in caplog.text


def test_a_redirect_leads_nowhere_else(start_receiver: Callable[..., str]) -> None:
    answer = requests.post(
        f"{start_receiver()}{PATH}/", headers={"Host": "evil.example"}, allow_redirects=False, timeout=60
    )
    assert (answer.status_code, answer.headers.get("Location")) == (404, None)


@pytest.mark.parametrize(
    ("client", "status"),
    [
        ("8.8.8.8", 404),
        ("2001:4860:4860::8888", 404),
        ("::ffff:8.8.8.8", 404),
        ("somebody", 404),
        ("10.1.2.3", 200),
        ("127.0.0.1", 200),
        ("fd00::1", 200),
    ],
)
@pytest.mark.parametrize("path", ["/readyz", "/metrics"])
def test_what_tells_about_the_inbox_is_not_for_the_internet(
    start_receiver: Callable[..., str], path: str, client: str, status: int
) -> None:
    answer = requests.get(start_receiver() + path, headers={"X-Forwarded-For": client}, timeout=60)
    assert answer.status_code == status


def test_a_tls_handshake_has_an_end(
    start_receiver: Callable[..., str],
    connect: Callable[[str], socket.socket],
    tls_certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    url = start_receiver(server={"ssl_certfile": tls_certificate})
    connection = connect(url)
    connection.settimeout(30)  # asyncio itself waits for 60 s

    connection.sendall(b"\x16\x03\x01")

    assert answer_of(connection) == b""
    answer = requests.get(url.replace("http:", "https:") + PATH, verify=str(tls_certificate), timeout=60)
    assert answer.text == "ready"


@pytest.mark.rule("R2")
@pytest.mark.parametrize("beginning", [b"", b"\x16\x03\x01"])
@pytest.mark.parametrize("limits", [Limits(20, 50), Limits(500, 20)], ids=["in all", "of one client"])
def test_tls_handshakes_that_are_only_held_open_keep_no_delivery_out(
    start_receiver: Callable[..., str],
    connect: Callable[[str], socket.socket],
    form: Callable[..., bytes],
    tls_certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    limits: Limits,
    beginning: bytes,
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 600.0)  # none ends by itself
    url = start_receiver(limits=limits, server={"ssl_certfile": tls_certificate})
    held = [connect(url) for _ in range(60)]
    for connection in held:
        with suppress(ConnectionError):
            connection.sendall(beginning)

    with requests.Session() as session:
        for number in range(2):
            answer = session.post(
                url.replace("http:", "https:") + PATH,
                data=form(email=f"ada{number}@example.com"),
                headers={"Content-Type": FORM},
                verify=str(tls_certificate),
                timeout=60,
            )
            assert answer.text == "stored"

    assert answer_of(held[0]) == b""
    held[-1].settimeout(0.1)
    with pytest.raises(TimeoutError):
        held[-1].recv(1)


@pytest.mark.parametrize("beginning", [b"", b"\r\n", HALF_OF_A_HEAD, HALF_OF_A_BODY])
def test_a_request_that_does_not_end_is_cut_off(
    start_receiver: Callable[..., str],
    connect: Callable[[str], socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    beginning: bytes,
) -> None:
    monkeypatch.setattr(connections, "SWEEP_SECONDS", 0.02)
    url = start_receiver(limits=Limits(500, 50, head_seconds=0.1, request_seconds=0.2))
    connection = connect(url)

    connection.sendall(beginning)

    assert answer_of(connection).startswith(b"HTTP/1.1 408")
    assert "Traceback" not in caplog.text


@pytest.mark.rule("R2")
@pytest.mark.parametrize("beginning", [b"", HALF_OF_A_HEAD, HALF_OF_A_BODY])
@pytest.mark.parametrize("limits", [Limits(20, 50), Limits(500, 20)], ids=["in all", "of one client"])
def test_connections_that_are_only_held_open_keep_no_delivery_out(
    start_receiver: Callable[..., str],
    connect: Callable[[str], socket.socket],
    form: Callable[..., bytes],
    limits: Limits,
    beginning: bytes,
) -> None:
    url = start_receiver(limits=limits)
    held = [connect(url) for _ in range(60)]
    for connection in held:
        try:
            connection.sendall(beginning)
        except ConnectionError:
            continue

    assert deliver(url, form).text == "stored"
    assert answer_of(held[0])[:12] in {b"HTTP/1.1 503", b""}
    held[-1].settimeout(0.1)
    with pytest.raises(TimeoutError):
        held[-1].recv(1)


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.rule("R2")
@pytest.mark.parametrize("coding", ["whole", "chunked"])
@pytest.mark.parametrize("piece", [7, 10_000], ids=["in pieces", "at once"])
def test_a_delivery_that_offers_another_protocol_is_read_whole(
    start_receiver: Callable[..., str],
    connect: Callable[[str], socket.socket],
    inbox: Inbox,
    form: Callable[..., bytes],
    coding: str,
    piece: int,
) -> None:
    connection = connect(start_receiver())
    body = form(email="ada@example.com")
    length, sent = b"Content-Length: %d" % len(body), body
    if coding == "chunked":
        length, sent = b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    further = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"Connection: close\r\n\r\n"
    request = HALF_OF_A_HEAD + UPGRADE + length + b"\r\n\r\n" + sent + further
    for start in range(0, len(request), piece):
        connection.sendall(request[start : start + piece])

    answer = answer_of(connection)
    assert b"stored" in answer
    assert b"alive" in answer
    (event,) = inbox.read(CONTACT_EVENTS, after=0)
    assert event.data["email"] == "ada@example.com"


def test_a_request_for_a_tunnel_is_refused(
    start_receiver: Callable[..., str], connect: Callable[[str], socket.socket]
) -> None:
    connection = connect(start_receiver())
    connection.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
    assert answer_of(connection).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("trusted", ["127.0.0.1", "::1, 127.0.0.0/8", "*"])
def test_a_trusted_proxy_stands_for_many_clients(
    start_receiver: Callable[..., str], connect: Callable[[str], socket.socket], trusted: str
) -> None:
    url = start_receiver(limits=Limits(500, 2, Proxies(trusted)))
    held = [connect(url) for _ in range(10)]

    assert requests.get(f"{url}/healthz", timeout=60).status_code == 200
    for connection in held:
        connection.settimeout(0.01)
        with pytest.raises(TimeoutError):
            connection.recv(1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_proxy_on_this_machine_is_trusted_by_either_name(host: str) -> None:
    settings = ReceiverSettings(secret=PathSecrets(("a-path-secret-of-the-tests",)))
    assert host in limits_of(settings).proxies
    assert "192.0.2.7" not in limits_of(settings).proxies
    named = ReceiverSettings(secret=settings.secret, forwarded_allow_ips="2001:db8::/32,nonsense,10.0.0.1/8")
    assert "2001:db8::7" in limits_of(named).proxies
    assert not [name for name in (host, "10.0.0.7", "a client") if name in limits_of(named).proxies]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "receiver.example.com", ""])  # noqa: S104 - refused
def test_listens_beyond_this_machine_only_with_tls_or_a_proxy(host: str) -> None:
    secret = PathSecrets(("a-path-secret-of-the-tests",))
    with pytest.raises(ConfigurationError, match="--behind-proxy"):
        ReceiverSettings(secret=secret, host=host)

    assert ReceiverSettings(secret=secret, host=host, behind_proxy=True)
    assert ReceiverSettings(secret=secret, host=host, tls_certificate="c.pem", tls_key="k.pem")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_listens_on_this_machine_without(host: str) -> None:
    assert ReceiverSettings(secret=PathSecrets(("a-path-secret-of-the-tests",)), host=host)


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ConfigurationError, match="tls_key"):
        ReceiverSettings(secret=PathSecrets(("a-path-secret-of-the-tests",)), tls_certificate="c.pem")


@pytest.mark.rule("R9")
@pytest.mark.parametrize(("mode", "warns"), [(0o644, True), (0o640, False), (0o600, False)])
def test_a_key_of_a_certificate_that_others_can_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warns: bool
) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    key.chmod(mode)
    secret = PathSecrets(("a-path-secret-of-the-tests",))
    ReceiverSettings(secret=secret, tls_certificate="c.pem", tls_key=str(key))
    assert (f"Others can read {key}" in caplog.text) is warns
