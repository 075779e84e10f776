"""Answers without end, in size or in time: each ends in an error that names the setting."""

from __future__ import annotations

import gzip
import socket
import threading
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat

import pytest
from kinetic_mailchimp.kit.errors import AmbiguousWriteError, ConfigurationError, TransientError
from kinetic_mailchimp.kit.http.call import Request
from kinetic_mailchimp.kit.http.retry import RetryPolicy
from kinetic_mailchimp.kit.http.transport import Transport

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@contextmanager
def answering(pieces: Iterable[bytes]) -> Iterator[str]:
    """A server that answers one request with these bytes, as far as the client takes them."""

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def fetch(url: str, *, method: str = "GET", clock=None) -> bytes:
    arguments = {"clock": clock} if clock else {}
    transport = Transport(lambda *_: None, retry=RetryPolicy(max_attempts=1), timeout=10, **arguments)
    try:
        return transport.send(Request(method, url)).body
    finally:
        transport.close()


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setenv("CONNECTOR_MAX_RESPONSE_MIB", "1")
    monkeypatch.setenv("CONNECTOR_MAX_RESPONSE_SECONDS", "30")


ENDLESS = {
    "body": (OK + b"\r\n", repeat(b"x" * 65536)),
    "chunks": (CHUNKED, repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n")),
    "packed-nothing": (
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10],
        repeat(b"\x00\x00\x00\xff\xff" * 10_000),
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_answer_without_end_is_given_up(name):
    head, rest = ENDLESS[name]

    def pieces() -> Iterator[bytes]:
        yield head
        yield from rest

    with answering(pieces()) as url, pytest.raises(ConfigurationError, match="CONNECTOR_MAX_RESPONSE_MIB"):
        fetch(url)


MOVED = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n"


@pytest.mark.parametrize(("packings", "start"), [(1, OK), (2, OK), (1, MOVED)])
def test_a_small_answer_that_unpacks_to_much_is_given_up_before_it_fills_the_memory(packings, start):
    bomb = b"0" * 200 * 2**20
    for _ in range(packings):
        bomb = gzip.compress(bomb, 9)
    encoding = ", ".join(["gzip"] * packings).encode()
    head = start + b"Content-Encoding: " + encoding + b"\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    tracemalloc.start()
    try:
        with answering([head, bomb]) as url, pytest.raises(ConfigurationError, match="more than 1 MiB"):
            fetch(url)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


class Hurrying:
    """A clock on which ten seconds pass between two looks."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 10.0
        return self.now


@pytest.mark.parametrize("head", [OK + b"\r\n", OK + b"X: "], ids=["body", "headers"])
def test_an_answer_that_drips_is_given_up(head):
    def pieces() -> Iterator[bytes]:
        yield head
        yield from repeat(b"x")

    with answering(pieces()) as url, pytest.raises(TransientError, match="CONNECTOR_MAX_RESPONSE_SECONDS"):
        fetch(url, clock=Hurrying())


MALFORMED = {
    "a negative size of a chunk": CHUNKED + b"-5\r\nabc",
    "two lengths": OK + b"Content-Length: 1, 2\r\n\r\nabc",
    "an unknown packing": OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    "a status that is not a number": b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
    "no HTTP": b"\x00\x01\x02",
}


@pytest.mark.rule("R4")
@pytest.mark.rule("R10")
@pytest.mark.parametrize("name", MALFORMED)
def test_an_answer_that_is_not_http_blames_no_setting_and_leaves_a_write_open(name):
    with answering([MALFORMED[name]]) as url, pytest.raises(TransientError, match=r"connection|HTTP"):
        fetch(url)
    with answering([MALFORMED[name]]) as url, pytest.raises(AmbiguousWriteError):
        fetch(url, method="POST")


@pytest.mark.parametrize("location", [b"http://[", b"http://a\xff", b"http://a:b/", b"//"])
def test_an_answer_that_sends_to_a_place_that_is_none_is_an_answer(location):
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\nLocation: " + location + b"\r\n\r\n"
    with answering([head, b"{}"]) as url:
        assert fetch(url) == b"{}"


@pytest.mark.rule("R4")
@pytest.mark.parametrize(
    ("clock", "limit"),
    [(None, "CONNECTOR_MAX_RESPONSE_MIB"), (Hurrying(), "CONNECTOR_MAX_RESPONSE_SECONDS")],
)
def test_a_write_whose_answer_was_given_up_is_ambiguous(clock, limit):
    pieces = [OK + b"\r\n", *[b"x" * 2**20] * 3]
    with answering(pieces) as url, pytest.raises(AmbiguousWriteError, match=limit):
        fetch(url, method="POST", clock=clock)


def test_an_answer_of_the_size_of_the_limit_is_read():
    body = b"x" * 2**20
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with answering([head, body]) as url:
        assert fetch(url) == body


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "much"])
def test_a_limit_that_is_not_a_positive_number_is_named(monkeypatch, value):
    monkeypatch.setenv("CONNECTOR_MAX_RESPONSE_MIB", value)
    with pytest.raises(ConfigurationError, match="CONNECTOR_MAX_RESPONSE_MIB"):
        Transport(lambda *_: None)
