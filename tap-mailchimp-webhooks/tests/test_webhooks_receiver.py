from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import itertools
import sqlite3
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption
from tap_mailchimp_webhooks.events.delivery import FORM
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS, Arrival
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver import authenticity
from tap_mailchimp_webhooks.receiver.authenticity import Authenticity, UncheckableError
from tap_mailchimp_webhooks.receiver.on_event import EventCommand
from tap_mailchimp_webhooks.webhooks.path_secret import PathSecrets
from tap_mailchimp_webhooks.webhooks.registry import SigningSecrets, WebhookRegistry

StartReceiver = Callable[..., str]
Form = Callable[..., bytes]

FORM_HEADERS = {"Content-Type": FORM}
PATH = "/webhooks/mailchimp/a-path-secret-of-the-tests"


def post(url: str, body: bytes, headers: dict[str, str] | None = None, path: str = PATH) -> requests.Response:
    return requests.post(url + path, data=body, headers={**FORM_HEADERS, **(headers or {})}, timeout=120)


def metric(url: str, name: str) -> float:
    lines = requests.get(f"{url}/metrics", timeout=120).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.mark.rule("R2")
def test_a_delivery_is_in_the_inbox_when_it_is_answered(
    start_receiver: StartReceiver, inbox: Inbox, form: Form
) -> None:
    url = start_receiver()

    assert post(url, form(email="ada@example.com")).status_code == 200

    (event,) = inbox.read(CONTACT_EVENTS, after=0)
    assert event.type == "unsubscribe"
    assert event.data["email"] == "ada@example.com"


def test_answers_mailchimps_validation(start_receiver: StartReceiver) -> None:
    url = start_receiver()

    assert requests.get(url + PATH, timeout=120).status_code == 200
    assert requests.head(url + PATH, timeout=120).status_code == 200
    assert requests.get(f"{url}/webhooks/mailchimp/another", timeout=120).status_code == 404


def test_another_secret_stores_nothing(start_receiver: StartReceiver, inbox: Inbox, form: Form) -> None:
    url = start_receiver()

    for path in ("/webhooks/mailchimp/another", "/webhooks/mailchimp/", "/webhooks/mailchimp/%00%FF", "/"):
        assert post(url, form(email="ada@example.com"), path=path).status_code in {404, 405}
    assert inbox.last_sequence() == 0


@pytest.mark.rule("R2")
def test_a_secret_is_changed_without_a_gap(start_receiver: StartReceiver, inbox: Inbox, form: Form) -> None:
    url = start_receiver(secret=PathSecrets(("the-new-secret-of-it", "the-old-secret-of-it")))

    for number, name in enumerate(("new", "old")):
        path = f"/webhooks/mailchimp/the-{name}-secret-of-it"
        assert post(url, form(email=f"p{number}@example.com"), path=path).status_code == 200
    assert inbox.last_sequence() == 2


@pytest.mark.rule("R2")
def test_a_repeated_delivery_is_stored_once(start_receiver: StartReceiver, inbox: Inbox, form: Form) -> None:
    url = start_receiver()
    body = form(email="ada@example.com")

    assert [post(url, body).text for _ in range(3)] == ["stored", "known", "known"]
    assert len(inbox.read(CONTACT_EVENTS, after=0)) == 1
    assert metric(url, 'mailchimp_webhooks_events_total{result="duplicate"') == 2


@pytest.mark.rule("R2")
def test_a_delivery_that_cannot_be_understood_is_quarantined_and_answered_with_success(
    start_receiver: StartReceiver, inbox: Inbox
) -> None:
    url = start_receiver()

    for body in (b"", b"\xff\xfe", b"type=sms_subscribe&data[x]=1", b"type=unsubscribe&data[list_id]=1"):
        assert post(url, body).status_code == 200
    assert inbox.last_sequence() == 4
    assert inbox.read(CONTACT_EVENTS, after=0) == []
    assert metric(url, "mailchimp_webhooks_events_total{") == 4


def test_a_body_that_is_too_large_is_refused(start_receiver: StartReceiver, inbox: Inbox) -> None:
    url = start_receiver(max_body_bytes=1000)

    assert post(url, b"x" * 1001).status_code == 413
    assert (
        requests.post(url + PATH, data=iter([b"x" * 600] * 2), headers=FORM_HEADERS, timeout=120).status_code
        == 413
    )
    assert inbox.last_sequence() == 0


@pytest.mark.rule("R2")
def test_a_compressed_body_is_refused_and_not_stored_as_one_of_nobody(
    start_receiver: StartReceiver, inbox: Inbox, form: Callable[..., bytes]
) -> None:
    url, body = start_receiver() + PATH, form(email="ada@example.com")

    packed = {**FORM_HEADERS, "Content-Encoding": "gzip"}
    assert requests.post(url, data=gzip.compress(body), headers=packed, timeout=120).status_code == 415
    assert inbox.last_sequence() == 0
    plain = {**FORM_HEADERS, "Content-Encoding": "identity"}
    assert requests.post(url, data=body, headers=plain, timeout=120).status_code == 200
    assert inbox.last_sequence() == 1


def sign(secret: str, body: bytes, at: float) -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"{at:.0f}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Mailchimp-Signature": f"t={at:.0f},v1={digest}"}


@pytest.fixture
def register(inbox: Inbox, path_secret: str, now: datetime) -> Callable[[str, str | None], None]:
    hooks = WebhookRegistry(inbox.database, inbox.encryption, (path_secret,))
    return lambda webhook_id, secret: hooks.put(
        webhook_id, "1a2b3c4d5e", "https://x.example.com", now, signing_secret=secret
    )


def test_where_every_hook_is_signed_a_delivery_must_be(
    start_receiver: StartReceiver, form: Form, register: Callable[[str, str | None], None], now: datetime
) -> None:
    register("one", "signing-secret-one")
    register("two", "signing-secret-two")
    url = start_receiver(now=now.timestamp)
    body = form(email="ada@example.com")

    assert post(url, body).status_code == 401
    assert post(url, body, sign("another", body, now.timestamp())).status_code == 401
    assert post(url, body, sign("signing-secret-two", body, now.timestamp() - 7_201)).status_code == 401
    assert post(url, body, sign("signing-secret-two", body, now.timestamp() + 301)).status_code == 401
    assert post(url, body, {"X-Mailchimp-Signature": "t=x,v1=\xff"}).status_code == 401
    assert post(url, body, sign("signing-secret-two", body, now.timestamp())).text == "stored"


def test_a_repeated_delivery_may_carry_its_first_signature(
    start_receiver: StartReceiver, form: Form, register: Callable[[str, str | None], None], now: datetime
) -> None:
    register("one", "signing-secret-one")
    body = form(email="ada@example.com")
    first = sign("signing-secret-one", body, now.timestamp() - 75 * 60)

    assert post(start_receiver(now=now.timestamp, signature_max_age=60), body, first).status_code == 401
    url = start_receiver(now=now.timestamp)
    assert [post(url, body, first).text for _ in range(2)] == ["stored", "known"]


def test_beside_a_hook_that_is_not_signed_only_a_wrong_signature_is_refused(
    start_receiver: StartReceiver, form: Form, register: Callable[[str, str | None], None], now: datetime
) -> None:
    register("one", "signing-secret-one")
    register("two", None)
    url = start_receiver(now=now.timestamp)
    body = form(email="ada@example.com")

    assert post(url, body).text == "stored"
    assert post(url, body, sign("another", body, now.timestamp())).status_code == 401
    assert post(url, body, sign("signing-secret-one", body, now.timestamp())).text == "known"


def test_checks_signatures_of_a_webhook_that_is_registered_while_it_runs(
    start_receiver: StartReceiver, form: Form, register: Callable[[str, str | None], None], now: datetime
) -> None:
    register("one", "signing-secret-one")
    url = start_receiver(now=now.timestamp)
    first, second = form(email="ada@example.com"), form(email="bob@example.com")
    assert post(url, first, sign("signing-secret-one", first, now.timestamp())).status_code == 200

    register("two", "signing-secret-two")

    def accepted() -> bool:
        return post(url, second, sign("signing-secret-two", second, now.timestamp())).status_code == 200

    assert accepted() or accepted() or _eventually(accepted)


def _eventually(condition: Callable[[], bool]) -> bool:
    return any(condition() for _ in range(1000))


@pytest.mark.rule("R9")
def test_a_signing_secret_is_not_readable_in_the_file(
    register: Callable[[str, str | None], None], inbox: Inbox, tmp_path: Path, path_secret: str
) -> None:
    register("one", "signing-secret-one")

    assert b"signing-secret-one" not in b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    known = WebhookRegistry(inbox.database, FieldEncryption(), (path_secret,)).signing_secrets()
    assert known.readable == ("signing-secret-one",)
    others = WebhookRegistry(inbox.database, FieldEncryption(), ("another-path-secret",)).signing_secrets()
    assert others == SigningSecrets(unreadable=1)


def test_one_unreadable_signing_secret_does_not_open_the_receiver(
    start_receiver: StartReceiver,
    inbox: Inbox,
    form: Form,
    register: Callable[[str, str | None], None],
    now: datetime,
) -> None:
    register("one", "signing-secret-one")
    lost = WebhookRegistry(inbox.database, inbox.encryption, ("a-path-secret-of-old",))
    lost.put("two", "1a2b3c4d5e", "https://x.example.com", now, signing_secret="signing-secret-two")
    url = start_receiver(now=now.timestamp)
    body = form(email="ada@example.com")

    assert post(url, body).status_code == 401
    assert post(url, body, sign("forged", body, now.timestamp())).status_code == 401
    assert post(url, body, sign("signing-secret-one", body, now.timestamp())).text == "stored"
    assert requests.get(f"{url}/readyz", timeout=120).status_code == 200
    assert metric(url, "mailchimp_webhooks_unreadable_signing_secrets ") == 1


def test_without_a_readable_signing_secret_nothing_is_accepted(
    start_receiver: StartReceiver, inbox: Inbox, form: Form, now: datetime
) -> None:
    lost = WebhookRegistry(inbox.database, inbox.encryption, ("a-path-secret-of-old",))
    lost.put("two", "1a2b3c4d5e", "https://x.example.com", now, signing_secret="signing-secret-two")
    url = start_receiver(now=now.timestamp)
    body = form(email="ada@example.com")

    for headers in ({}, sign("signing-secret-two", body, now.timestamp()), sign("x", body, now.timestamp())):
        answer = post(url, body, headers)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert inbox.last_sequence() == 0
    readiness = requests.get(f"{url}/readyz", timeout=120)
    assert readiness.status_code == 503
    assert "MAILCHIMP_WEBHOOKS_SECRET" in readiness.json()["problems"][0]
    assert metric(url, "mailchimp_webhooks_unreadable_signing_secrets ") == 1
    assert metric(url, 'mailchimp_webhooks_refused_total{reason="unreadable_signing_secrets"}') == 3


def test_accepts_nothing_while_the_registered_webhooks_cannot_be_read(
    start_receiver: StartReceiver, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: WebhookRegistry) -> SigningSecrets:
        raise TransientError("The database does not answer.")

    monkeypatch.setattr(WebhookRegistry, "signing_secrets", fail)
    url = start_receiver()

    assert post(url, form(email="ada@example.com")).status_code == 503
    assert requests.get(f"{url}/readyz", timeout=120).status_code == 503


def test_a_database_that_hangs_keeps_no_delivery_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authenticity, "LONGEST_RELOAD_SECONDS", 0.01)
    goes_on, calls = threading.Event(), itertools.count()

    def load() -> SigningSecrets:
        next(calls)
        goes_on.wait(60)
        return SigningSecrets()

    async def check() -> None:
        checked = Authenticity(load, lambda: 0.0, 7_200)
        for _ in range(20):
            with pytest.raises(UncheckableError):
                await checked.check(None, b"")
            await checked.reload()
        assert next(calls) == 1
        goes_on.set()
        monkeypatch.undo()
        await checked.reload()
        assert not await checked.check(None, b"")

    asyncio.run(check())


@pytest.mark.rule("R2")
def test_many_deliveries_at_once_are_each_stored_once(
    start_receiver: StartReceiver, inbox: Inbox, form: Form
) -> None:
    url = start_receiver()
    bodies = [form(email=f"person{number}@example.com") for number in range(100)] * 2

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda body: post(url, body), bodies))

    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.text for answer in answers) == ["known"] * 100 + ["stored"] * 100
    assert len(inbox.read(CONTACT_EVENTS, after=0)) == 100


@pytest.mark.rule("R2")
def test_a_delivery_that_was_not_stored_is_answered_with_503(
    start_receiver: StartReceiver, inbox: Inbox, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Inbox, _arrivals: list[Arrival]) -> list[bool]:
        raise TransientError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "store", fail)
        url = start_receiver()
        answer = post(url, form(email="ada@example.com"))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert inbox.last_sequence() == 0


@pytest.mark.rule("R2")
def test_one_event_that_the_database_refuses_does_not_fail_the_others(
    start_receiver: StartReceiver, inbox: Inbox, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Inbox.store

    def store(self: Inbox, arrivals: list[Arrival]) -> list[bool]:
        if any(arrival.email == "poison@example.com" for arrival in arrivals):
            raise ValueError("poison")
        return plain(self, arrivals)

    monkeypatch.setattr(Inbox, "store", store)
    url = start_receiver()
    bodies = [form(email=f"{name}@example.com") for name in ["poison", *map(str, range(30))]]
    with ThreadPoolExecutor(31) as pool:
        statuses = list(pool.map(lambda body: post(url, body).status_code, bodies))

    assert statuses == [503] + [200] * 30
    assert inbox.last_sequence() == 30


def test_readyz_fails_while_the_database_is_gone(start_receiver: StartReceiver, tmp_path: Path) -> None:
    url = start_receiver()
    assert requests.get(f"{url}/healthz", timeout=120).status_code == 200
    assert requests.get(f"{url}/readyz", timeout=120).json()["status"] == "ready"

    with sqlite3.connect(tmp_path / "data" / "inbox.sqlite3") as connection:
        connection.execute("ALTER TABLE inbox_events RENAME TO gone")
    connection.close()

    answer = requests.get(f"{url}/readyz", timeout=120)
    assert answer.status_code == 503
    assert "inbox_database_url" in answer.json()["problems"][0]
    assert requests.get(f"{url}/healthz", timeout=120).status_code == 200


def test_is_not_ready_without_room_on_the_disk(start_receiver: StartReceiver) -> None:
    answer = requests.get(f"{start_receiver(min_free_mib=2**42)}/readyz", timeout=10)

    assert answer.status_code == 503
    assert "Make room" in answer.json()["problems"][0]


def test_metrics_count_unread_events(start_receiver: StartReceiver, form: Form, now: datetime) -> None:
    url = start_receiver(now=now.timestamp)
    for number in range(3):
        post(url, form(email=f"person{number}@example.com"))

    assert metric(url, "mailchimp_webhooks_inbox_unread ") == 3
    age = datetime.now(UTC) - now
    assert metric(url, "mailchimp_webhooks_inbox_oldest_unread_seconds ") == pytest.approx(
        age.total_seconds(), abs=60
    )


def test_events_from_the_future_are_counted(
    start_receiver: StartReceiver, inbox: Inbox, form: Form, now: datetime
) -> None:
    url = start_receiver(now=now.timestamp)
    body = form(fired_at="9999-01-01 00:00:00", email="ada@example.com")

    assert [post(url, body).text for _ in range(2)] == ["stored", "known"]

    (event,) = inbox.read(CONTACT_EVENTS, after=0)
    assert (event.occurred_at, event.claimed_at) == (
        "2026-03-01T12:00:00+00:00",
        "9999-01-01T00:00:00+00:00",
    )
    assert metric(url, "mailchimp_webhooks_future_events_total ") == 1


def test_works_under_a_prefix(start_receiver: StartReceiver, form: Form) -> None:
    url = start_receiver(root_path="/hooks")

    assert post(url, form(email="ada@example.com")).text == "stored"
    assert post(url, form(email="ada@example.com"), path=f"/hooks{PATH}").text == "known"


def test_a_client_that_tries_secrets_is_told_to_wait_and_the_right_secret_passes(
    start_receiver: StartReceiver, form: Form
) -> None:
    url = start_receiver(wrong_secrets_per_minute=3)
    statuses = [requests.get(f"{url}/webhooks/mailchimp/guess{n}", timeout=120).status_code for n in range(5)]

    assert statuses == [404, 404, 404, 429, 429]
    assert post(url, form(email="ada@example.com")).text == "stored"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "abc123",
        "changeme-changeme",
        "your-secret-goes-here",
        "aaaaaaaaaaaaaaaaaaaa",
        "has spaces / and ?",
    ],
)
def test_refuses_to_start_with_a_secret_that_could_be_guessed(text: str) -> None:
    with pytest.raises(ConfigurationError, match="mailchimp-webhooks secret"):
        PathSecrets.parse(text)


@pytest.fixture
def drain(tmp_path: Path) -> Callable[[str], str]:
    """Makes a command that writes down when it begins and ends; `body` is what it does in between."""

    def make(body: str) -> str:
        script = tmp_path / "drain.py"
        script.write_text(
            "import pathlib, sys, time\n"
            "here = pathlib.Path(__file__).parent\n"
            "def note(text):\n"
            "    with (here / 'runs').open('a') as log: log.write(text)\n"
            f"note('<')\n{body}\nnote('>')\n"
        )
        return f"{sys.executable} {script}"

    return make


def command_status(url: str) -> dict[str, object]:
    answer = requests.get(f"{url}/readyz", timeout=120)
    assert answer.status_code == 200
    document: dict[str, object] = answer.json()["on_event"]
    return document


async def reached(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (a file; what hangs is ended by the time-out of every test)
        await asyncio.sleep(0.01)


def test_runs_a_command_after_new_events_never_two_at_a_time(
    start_receiver: StartReceiver,
    form: Form,
    tmp_path: Path,
    drain: Callable[[str], str],
    wait_until: Callable[..., None],
) -> None:
    wait_for_leave = "while not (here / 'leave').exists(): time.sleep(0.01)"
    url = start_receiver(on_event=drain(wait_for_leave), on_event_delay=0.01)
    runs = tmp_path / "runs"
    assert command_status(url)["state"] == "idle"

    post(url, form(email="first@example.com"))
    wait_until(lambda: runs.exists() and runs.read_text() == "<")
    for number in range(5):
        post(url, form(email=f"later{number}@example.com"))
    assert command_status(url)["state"] == "running"
    (tmp_path / "leave").touch()

    wait_until(lambda: runs.read_text() == "<><>")
    wait_until(lambda: command_status(url)["state"] == "idle")
    post(url, form(email="first@example.com"))
    assert command_status(url)["last_exit"] == 0
    assert runs.read_text() == "<><>"


def test_a_command_that_fails_shows_and_runs_again(
    tmp_path: Path, drain: Callable[[str], str], wait_until: Callable[..., None]
) -> None:
    command = EventCommand(
        drain("if not (here / 'mended').exists(): sys.exit(3)"), delay=0.0, first_retry=0.01
    )
    command.wake()

    async def let_it_run() -> None:
        running = asyncio.create_task(command.run())
        await reached(lambda: command.status.failures_in_a_row >= 2)
        assert command.status.last_exit == 3
        assert command.status.state in {"failing", "running"}
        (tmp_path / "mended").touch()
        await reached(lambda: not command.status.failures_in_a_row)
        running.cancel()

    asyncio.run(let_it_run())
    assert command.status.last_exit == 0


def test_a_command_that_does_not_exist_shows(
    start_receiver: StartReceiver, form: Form, wait_until: Any
) -> None:
    url = start_receiver(on_event="no-such-program-anywhere", on_event_delay=0.0)
    post(url, form(email="ada@example.com"))

    wait_until(lambda: command_status(url)["last_exit"] == 127)


def test_a_command_that_runs_is_ended_with_the_receiver(
    tmp_path: Path, drain: Callable[[str], str], wait_until: Callable[..., None]
) -> None:
    runs = tmp_path / "runs"
    command = EventCommand(drain("time.sleep(600)"), delay=0.0)
    command.wake()

    async def start_and_cancel() -> None:
        running = asyncio.create_task(command.run())
        await reached(lambda: runs.exists() and runs.read_text())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(start_and_cancel())
    assert runs.read_text() == "<"


def test_begins_with_what_was_left_unread(
    start_receiver: StartReceiver,
    inbox: Inbox,
    make_arrival: Callable[..., Arrival],
    drain: Any,
    wait_until: Any,
) -> None:
    inbox.store([make_arrival()])

    url = start_receiver(on_event=drain(""), on_event_delay=0.0)

    wait_until(lambda: command_status(url)["last_exit"] == 0)
