"""What the inbox holds about one person: found in any spelling, and removed from the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption, SecretBox
from tap_mailchimp_webhooks.cli.main import commands
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.events.event import CATCH_UP, WEBHOOK, to_arrival
from tap_mailchimp_webhooks.inbox.person import events_of
from tap_mailchimp_webhooks.inbox.store import Inbox

ADA = "Ada.Lovelace@example.com"
DATA: list[dict[str, Any]] = [
    {"email": ADA, "list_id": "a"},
    {"old_email": ADA.upper(), "new_email": "new@example.com", "list_id": "a"},
    {"email": "boss@example.com", "merges": {"ASSISTANT": f"<{ADA}>"}},
    {"email": f"not.{ADA}", "list_id": "a"},
    {"email": f"{ADA}.au", "list_id": "a"},
]


def fill(inbox: Inbox, now) -> None:
    inbox.store(
        [
            to_arrival(
                f"event-{number}",
                "upemail" if "old_email" in data else "unsubscribe",
                data,
                occurred_at=now,
                received_at=now,
                origin="webhook",
            )
            for number, data in enumerate(DATA)
        ]
    )


@pytest.fixture
def run(sqlite_url: str) -> Callable[..., Result]:
    def call(*arguments: str) -> Result:
        url = ("--inbox-database-url", sqlite_url)
        return CliRunner().invoke(commands, [*arguments, *url], catch_exceptions=True)

    return call


@pytest.mark.parametrize("encryption", [FieldEncryption(), None], ids=["clear", "encrypted"])
def test_every_event_that_names_the_person_is_found(
    open_inbox, sqlite_url, now, encryption, monkeypatch
) -> None:
    monkeypatch.setenv("CONNECTOR_SECRET_KEY", Fernet.generate_key().decode())
    inbox = open_inbox(sqlite_url, encryption or FieldEncryption(SecretBox.find()))
    fill(inbox, now)
    assert [event.event_id for event in events_of(inbox, ADA.swapcase())] == ["event-0", "event-1", "event-2"]


def test_an_address_is_found_however_its_letters_are_composed(inbox, now) -> None:
    composed, apart = "j\u00f6rg@example.com", "jo\u0308rg@example.com"
    for address in (composed, apart):
        inbox.store(
            [
                to_arrival(
                    address,
                    "unsubscribe",
                    {"email": address},
                    occurred_at=now,
                    received_at=now,
                    origin="webhook",
                )
            ]
        )
    assert [event.event_id for event in events_of(inbox, apart.upper())] == [composed, apart]


@pytest.mark.parametrize(
    "body",
    [
        b"type=unknown&data%5Bemail%5D=ada.lovelace%40example.com",
        b"type=unsubscribe&data[merges][X]=Ada.Lovelace@example.com",
        b'{"type": "unsubscribe", "email": "Ada.Lovelace@example.com"}',
    ],
)
def test_a_delivery_in_quarantine_is_found_and_erased(inbox, now, run, body: bytes) -> None:
    quarantined = from_delivery(body, FORM, now)
    assert quarantined.is_quarantined
    inbox.store([quarantined, from_delivery(b"type=unknown&data[email]=bob@example.com", FORM, now)])
    assert [event.event_id for event in events_of(inbox, ADA)] == [quarantined.event_id]
    assert run("erase", "--yes", "--email", ADA).exit_code == 0
    assert len(inbox.page(after=0)) == 1


def test_an_address_with_quotes_is_found(inbox, now) -> None:
    quoted = '"ada \\" lovelace"@example.com'
    given = {"occurred_at": now, "received_at": now, "origin": WEBHOOK}
    inbox.store([to_arrival("quoted", "unsubscribe", {"email": quoted}, **given)])
    assert [event.event_id for event in events_of(inbox, quoted)] == ["quoted"]


def test_the_export_lists_what_it_found(inbox, now, run) -> None:
    fill(inbox, now)
    result = run("export", "--email", ADA)
    assert [json.loads(line)["where"] for line in result.stdout.splitlines()] == ["inbox"] * 3
    assert "3 events (2 unsubscribe, 1 upemail)" in result.stderr


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], ["event-0", "event-1", "event-2", "event-3", "event-4", "signed"]),
        (["--list-id", "a"], ["event-0", "event-1", "event-3", "event-4"]),
        (["--unsigned"], ["event-0", "event-1", "event-2", "event-3", "event-4"]),
        (["--list-id", "b", "--unsigned"], []),
    ],
)
def test_the_events_of_a_webhook_are_told_by_their_ids(inbox, now, run, options, found) -> None:
    fill(inbox, now)
    given = {"occurred_at": now, "received_at": now}
    inbox.store(
        [
            to_arrival(
                "signed", "unsubscribe", {**DATA[0], "list_id": "b"}, origin=WEBHOOK, is_signed=True, **given
            ),
            to_arrival("polled", "unsubscribe", DATA[0], origin=CATCH_UP, **given),
        ]
    )
    result = run("events", "--since", now.isoformat(), *options)
    assert result.stdout.splitlines() == found
    later = run("events", "--since", (now + timedelta(seconds=1)).isoformat(), *options)
    assert later.stdout == ""
    assert run("events", "--since", "yesterday").exit_code == 2


@pytest.mark.rule("R2")
def test_events_that_wait_to_be_read_are_given_up_only_on_purpose(inbox, now, run) -> None:
    fill(inbox, now)
    result = run("erase", "--yes", "--email", ADA)
    assert result.exit_code == 1
    assert "3 events about this person wait" in result.stderr
    assert len(events_of(inbox, ADA)) == 3


@pytest.mark.rule("R9")
def test_an_erased_person_is_not_in_the_file_any_more(inbox, now, run, sqlite_url) -> None:
    fill(inbox, now)
    result = run("erase", "--yes", "--with-unread", "--email", ADA)
    assert "Erased in the inbox: 3 events" in result.output
    assert len(inbox.page(after=0)) == 2
    file = Path(str(sa.make_url(sqlite_url).database))
    stored = b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    assert b"boss@example.com" not in stored
    assert f'"{ADA}"'.encode() not in stored
