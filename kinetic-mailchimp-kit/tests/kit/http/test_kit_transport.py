"""The transport against a real local server: what it sends, what it repeats and what it gives up."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Mapping

import pytest
import requests
from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    DataError,
    TransientError,
    UnreachableError,
)
from kinetic_mailchimp.kit.http.call import Answer, Request, encode_query
from kinetic_mailchimp.kit.http.failures import connection_error
from kinetic_mailchimp.kit.http.retry import INTERACTIVE_RETRY_POLICY, RetryPolicy
from kinetic_mailchimp.kit.http.transport import Transport

FAILURES = {
    400: DataError,
    401: CredentialsError,
    429: TransientError,
    408: TransientError,
    503: TransientError,
}


def classify(request: Request, answer: Answer) -> ConnectorError | None:
    kind = FAILURES.get(answer.status)
    return kind("refused", status=answer.status, retry_after=answer.retry_after) if kind else None


def transport(clock, **settings) -> Transport:
    return Transport(classify, sleep=clock.sleep, clock=clock, **settings)


def test_answers_with_the_document(server, clock):
    server.answer(body=b'{"value": [1, 2]}')

    answer = transport(clock).send(Request("GET", f"{server.url}/a"))

    assert answer.document == {"value": [1, 2]}
    assert clock.slept == []


def test_a_space_in_a_query_is_never_a_plus(server, clock):
    server.answer()

    transport(clock).send(Request("GET", server.url, params={"$filter": "Name eq 'A+B & C'", "$top": 5}))

    assert server.seen[0]["path"] == "/?$filter=Name%20eq%20'A%2BB%20%26%20C'&$top=5"
    assert encode_query({"q": "ä"}) == "q=%C3%A4"


@pytest.mark.rule("R9")
def test_a_request_is_shown_without_login_and_query():
    told = str(Request("GET", "https://user:p@ss@example.com:8443/a?token=b", params={"email": "c"}))

    assert told == "GET example.com:8443/a"


@pytest.mark.parametrize("status", [429, 503, 408])
def test_a_read_is_tried_again_until_it_works(server, clock, status):
    server.answer(status)
    server.answer(status)
    server.answer(200, b'{"done": true}')

    answer = transport(clock).send(Request("GET", server.url))

    assert answer.document == {"done": True}
    assert len(clock.slept) == 2


def test_attempts_are_bounded(server, clock):
    server.answer(503)

    with pytest.raises(TransientError):
        transport(clock, retry=RetryPolicy(max_attempts=3)).send(Request("GET", server.url))

    assert len(server.seen) == 3


def test_time_is_bounded(server, clock):
    server.answer(503, Retry_After="40")

    with pytest.raises(TransientError):
        transport(clock, retry=RetryPolicy(max_attempts=100, max_seconds=100)).send(
            Request("GET", server.url)
        )

    assert clock.slept == [40.0, 40.0]


def test_the_pauses_grow_and_stay_within_their_bounds():
    pauses = RetryPolicy(first_pause=1.0, longest_pause=8.0).pauses()
    longest = [1, 2, 4, 8, 8, 8]

    assert all(0 <= next(pauses) <= bound for bound in longest)


def test_retry_after_may_be_a_date(server, clock):
    server.answer(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
    server.answer(200)

    transport(clock).send(Request("GET", server.url))

    assert len(clock.slept) == 1


@pytest.mark.rule("R4")
def test_a_write_of_unknown_outcome_is_not_repeated(server, clock):
    server.answer(drop=True)

    with pytest.raises(AmbiguousWriteError):
        transport(clock).send(Request("POST", server.url, json={"a": 1}))

    assert len(server.seen) == 1


@pytest.mark.rule("R4")
@pytest.mark.parametrize("status", [503, 408])
def test_a_server_failure_leaves_the_outcome_of_a_write_unknown(server, clock, status):
    server.answer(status)

    with pytest.raises(AmbiguousWriteError):
        transport(clock).send(Request("POST", server.url, json={"a": 1}))

    assert len(server.seen) == 1


def test_a_write_that_was_turned_away_is_repeated(server, clock):
    server.answer(429)
    server.answer(200)

    transport(clock).send(Request("POST", server.url, json={"a": 1}))

    assert [seen["body"] for seen in server.seen] == [b'{"a":1}', b'{"a":1}']


def test_a_body_is_json_in_utf_8_without_half_of_a_surrogate_pair(server, clock):
    server.answer()

    transport(clock).send(Request("POST", server.url, json={"name": "Zoë", "half": "a\ud800"}))

    assert server.seen[0]["body"].decode() == '{"name":"Zoë","half":"a\ufffd"}'
    assert server.seen[0]["headers"]["Content-Type"] == "application/json"


def test_an_idempotent_write_is_repeated_after_a_broken_connection(server, clock):
    server.answer(drop=True)
    server.answer(200)

    transport(clock).send(Request("PATCH", server.url, json={"a": 1}, repeatable=True))

    assert len(server.seen) == 2


@pytest.mark.parametrize("how", [{"cut": True, "body": b'{"a'}, {"body": b'{"a"'}])
def test_a_cut_answer_to_a_read_is_asked_for_again(server, clock, how):
    server.answer(**how)
    server.answer(body=b'{"a": 1}')

    assert transport(clock).send(Request("GET", server.url)).document == {"a": 1}


def test_bad_data_is_never_repeated(server, clock):
    server.answer(400)

    with pytest.raises(DataError):
        transport(clock).send(Request("GET", server.url))

    assert len(server.seen) == 1


def test_no_server_is_a_transient_failure_even_for_a_write(clock):
    request = Request("POST", "http://127.0.0.1:9", json={})

    with pytest.raises(TransientError) as failure:
        transport(clock, retry=RetryPolicy(max_attempts=2)).send(request)

    assert not isinstance(failure.value, AmbiguousWriteError)
    assert "base_url" in str(failure.value)


@pytest.mark.parametrize("url", ["not-an-address", "ftp://127.0.0.1/", "http://"])
def test_an_address_that_is_none_is_a_configuration_error(clock, url):
    with pytest.raises(ConfigurationError, match="base_url"):
        transport(clock).send(Request("GET", url))


def test_a_connection_that_breaks_in_the_handshake_says_nothing_about_certificates(server, clock):
    server.answer(drop=True)
    request = Request("POST", server.url.replace("http:", "https:"), json={})

    with pytest.raises(ConfigurationError, match="does not speak TLS at this port") as failure:
        transport(clock).send(request)

    assert "certificate" not in str(failure.value)


def test_a_certificate_that_is_not_trusted_is_a_configuration_error(tls_url, clock):
    with pytest.raises(ConfigurationError, match="ca_bundle"):
        transport(clock).send(Request("GET", tls_url))


def test_a_certificate_of_the_ca_bundle_is_trusted(tls_url, tls_certificate, clock):
    assert transport(clock, ca_bundle=str(tls_certificate)).send(Request("GET", tls_url)).status == 200


@pytest.mark.rule("R10")
def test_a_certificate_for_another_host_is_told_as_one(tls_url, tls_certificate, clock):
    url = tls_url.replace("127.0.0.1", "localhost")
    with pytest.raises(ConfigurationError, match=r"for another host.*`base_url`") as failure:
        transport(clock, ca_bundle=str(tls_certificate)).send(Request("GET", url))
    assert "ca_bundle" not in str(failure.value)


@pytest.mark.rule("R10")
@pytest.mark.parametrize("words", ["certificate has expired", "certificate is not yet valid"])
def test_a_certificate_that_does_not_hold_now_is_told_as_one(words):
    error = requests.exceptions.SSLError(f"[SSL: CERTIFICATE_VERIFY_FAILED] verify failed: {words}")
    told = connection_error(Request("GET", "https://h/"), error, url_from="base_url", connect_seconds=1)
    assert "clock" in told.advice


def test_one_bundle_for_everything_is_a_variable_and_a_bundle_of_its_own_comes_before_it(
    tls_url, tls_certificate, clock, monkeypatch, tmp_path
):
    request = Request("GET", tls_url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_certificate))
    assert transport(clock).send(request).status == 200

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    assert transport(clock, ca_bundle=str(tls_certificate)).send(request).status == 200
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        transport(clock).send(request)


def test_a_ca_bundle_that_is_not_there_is_a_configuration_error(tls_url, clock):
    with pytest.raises(ConfigurationError, match="ca_bundle"):
        transport(clock, ca_bundle="/no/such/file").send(Request("GET", tls_url))


@pytest.mark.parametrize("value", ["a key\n", "a\r\nkey", "schlüssel€"])
def test_credentials_that_no_header_can_carry_are_a_configuration_error(server, clock, value):
    server.answer()

    with pytest.raises(ConfigurationError, match="key"):
        transport(clock).send(Request("GET", server.url, headers={"x-api-key": value}))

    assert server.seen == []


class Tokens:
    def __init__(self, *, renewable: bool = True) -> None:
        self.renewable = renewable
        self.number = 1

    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.number}"}

    def renew(self, refused: Mapping[str, str]) -> bool:
        self.number += 1
        return self.renewable


def test_refused_credentials_are_renewed_once(server, clock):
    server.answer(401)
    server.answer(200)

    transport(clock, authorization=Tokens()).send(Request("GET", server.url))

    assert [seen["headers"]["Authorization"] for seen in server.seen] == ["Bearer 1", "Bearer 2"]
    assert clock.slept == []


@pytest.mark.parametrize(("renewable", "attempts"), [(True, 2), (False, 1)])
def test_credentials_that_stay_refused_are_an_error(server, clock, renewable, attempts):
    server.answer(401)

    with pytest.raises(CredentialsError):
        transport(clock, authorization=Tokens(renewable=renewable)).send(Request("GET", server.url))

    assert len(server.seen) == attempts


def test_the_proxy_of_the_environment_carries_calls_and_is_looked_up_once(server, clock, monkeypatch):
    looked_up = []
    look_up = requests.sessions.get_environ_proxies

    def note(url, **options):
        looked_up.append(url)
        return look_up(url, **options)

    monkeypatch.setattr(requests.sessions, "get_environ_proxies", note)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    sending = transport(clock)
    for path in "abc":
        server.answer(200)
        assert sending.send(Request("GET", f"http://epicor.example.com/{path}")).status == 200

    assert len(looked_up) == 1
    assert len(server.seen) == 3


@pytest.fixture
def through_proxy(monkeypatch):
    """Lets every https call go through the proxy at a port."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return lambda port: monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")


@pytest.mark.rule("R10")
def test_a_proxy_that_is_not_there_is_named_and_leaves_no_doubt_about_a_write(clock, through_proxy):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        through_proxy(closed.getsockname()[1])
        with pytest.raises(UnreachableError, match="HTTPS_PROXY"):
            transport(clock).send(Request("POST", "https://epicor.example.com/a", json={}))


@pytest.mark.rule("R10")
@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_does_not_let_us_pass_is_named_at_once(clock, through_proxy, status):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

        thread = threading.Thread(target=refuse)
        thread.start()
        through_proxy(listening.getsockname()[1])
        with pytest.raises(ConfigurationError, match=f"{status}.*HTTPS_PROXY"):
            transport(clock).send(Request("GET", "https://epicor.example.com/a"))
        thread.join()


def test_cookies_and_netrc_do_not_touch_a_request(server, clock, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer(Set_Cookie="session=1")
    sender = transport(clock)

    sender.send(Request("GET", server.url))
    sender.send(Request("GET", server.url))

    assert not {"Cookie", "Authorization"} & set(server.seen[1]["headers"])


def test_counts_calls_by_method(server, clock):
    server.answer(503)
    server.answer(200)
    sender = transport(clock)

    sender.send(Request("GET", server.url))

    assert sender.calls == {"GET": 2}


@pytest.mark.rule("R9")
def test_a_log_line_has_no_query(server, clock, caplog):
    server.answer(503)
    server.answer(200)

    transport(clock).send(Request("GET", f"{server.url}/people", params={"email": "ann@example.com"}))

    assert "/people" in caplog.text
    assert "example.com" not in caplog.text


@pytest.mark.parametrize("answer", [{"status": 503}, {"drop": True}])
def test_a_retry_names_its_request_once(server, clock, caplog, answer):
    server.answer(**answer)
    server.answer(200)

    transport(clock).send(Request("GET", f"{server.url}/people"))

    [line] = [record.getMessage() for record in caplog.records if "Trying again" in record.getMessage()]
    assert line.count("/people") == 1


def refuse(*_: object, **__: object) -> None:
    raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")


def unknown_name(code: int):
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(code, "whatever the system says")

    return resolve


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("name", "fails", "says"),
    [
        (
            "getaddrinfo",
            unknown_name(socket.EAI_NONAME),
            "no server has the name erp.invalid. Correct `base_url`;",
        ),
        ("getaddrinfo", unknown_name(socket.EAI_AGAIN), "the name server does not answer."),
        ("create_connection", refuse, "the connection was refused, for no program listens there."),
    ],
)
def test_a_person_who_waits_is_told_at_once_that_a_server_cannot_be_reached(
    clock, monkeypatch, name, fails, says
):
    place = "socket.getaddrinfo" if name == "getaddrinfo" else "urllib3.util.connection.create_connection"
    monkeypatch.setattr(place, fails)
    waiting, patient = (
        transport(clock, retry=policy) for policy in (INTERACTIVE_RETRY_POLICY, RetryPolicy())
    )

    for one, attempts in ((waiting, 1), (patient, 6)):
        with pytest.raises(UnreachableError) as error:
            one.send(Request("GET", "https://erp.invalid/kinetic"))
        assert says in str(error.value)
        assert "`base_url`" in str(error.value)
        assert one.calls.total() == attempts
