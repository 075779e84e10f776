from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
import requests
from kinetic_mailchimp.kit.errors import ConfigurationError
from tap_mailchimp_webhooks.events.delivery import FORM
from tap_mailchimp_webhooks.receiver import connections
from tap_mailchimp_webhooks.receiver.connections import LARGEST_HEAD, MOST_HEADERS, Limits
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


def test_a_trusted_proxy_stands_for_many_clients(
    start_receiver: Callable[..., str], connect: Callable[[str], socket.socket]
) -> None:
    url = start_receiver(limits=Limits(500, 2, {"127.0.0.1"}))
    held = [connect(url) for _ in range(10)]

    assert requests.get(f"{url}/healthz", timeout=60).status_code == 200
    for connection in held:
        connection.settimeout(0.01)
        with pytest.raises(TimeoutError):
            connection.recv(1)


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
