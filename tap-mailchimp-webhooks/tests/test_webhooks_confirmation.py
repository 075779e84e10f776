from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings
from simulators.mailchimp.testing import RunningMailchimp
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS
from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent
from tap_mailchimp_webhooks.streams.confirmation import LONGEST_WAIT, MOST_SINGLE, Confirmer
from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks

ADA, BOB, EVE = "ada@example.com", "bob@example.com", "eve@example.com"
Tell = Callable[..., None]


@pytest.fixture
def confirmer(mailchimp: RunningMailchimp, inbox: Inbox) -> Confirmer:
    config = {"api_key": mailchimp.api_key, "base_url": mailchimp.base_url}
    return Confirmer(MailchimpClient(MailchimpSettings.from_config(config), sleep=lambda _: None), inbox)


@pytest.fixture
def tell(mailchimp: RunningMailchimp, inbox: Inbox, form: Callable[..., bytes]) -> Tell:
    """Stores a delivery, by default one that nobody signed."""

    def store(event_type: str, *, is_signed: bool = False, **data: str) -> None:
        body = form(event_type, **{"list_id": mailchimp.list_id, **data})
        inbox.store([from_delivery(body, FORM, datetime.now(UTC), is_signed=is_signed)])

    return store


def confirmed(confirmer: Confirmer, inbox: Inbox) -> list[StoredEvent]:
    return confirmer.confirm(inbox.read(CONTACT_EVENTS, after=0))


def verdicts(confirmer: Confirmer, inbox: Inbox) -> list[str | None]:
    return [event.confirmation for event in confirmed(confirmer, inbox)]


@pytest.mark.rule("R1")
def test_a_subscription_is_refuted_unless_the_person_is_subscribed(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    mailchimp.control.subscribe(ADA)
    mailchimp.control.subscribe(BOB)
    mailchimp.control.unsubscribe(BOB)
    for person in (ADA, BOB, EVE):
        tell("subscribe", email=person)
        tell("profile", email=person)

    assert verdicts(confirmer, inbox) == ["confirmed"] * 2 + ["refuted"] * 4
    # People whose id is not the hash of their address are found all the same.
    mailchimp.control.switch(member_ids="other")
    assert verdicts(confirmer, inbox) == ["confirmed"] * 2 + ["refuted"] * 4


def test_values_are_those_that_mailchimp_shows(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    mailchimp.control.subscribe(ADA, merge_fields={"FNAME": "Ada"})
    tell("profile", email=ADA, **{"merges][FNAME": "Mallory", "merges][GROUPINGS": "x", "merges][NONE": "y"})

    (event,) = confirmed(confirmer, inbox)

    assert (event.confirmation, event.data["merges"]) == ("confirmed", {"FNAME": "Ada"})


def test_a_changed_address_is_confirmed_where_the_person_moved(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    mailchimp.control.subscribe(ADA)
    mailchimp.control.change_address(ADA, "ada2@example.com")
    mailchimp.control.change_address("ada2@example.com", "ada3@example.com")
    tell("upemail", old_email=ADA, new_email="ada2@example.com")
    tell("upemail", old_email="ada2@example.com", new_email="ada3@example.com")

    assert verdicts(confirmer, inbox) == ["confirmed", "confirmed"]


@pytest.mark.rule("R7")
def test_changes_of_address_are_confirmed_in_whatever_order_they_arrive(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    ways = [ADA, "ADA2@example.com", "ada3@example.com", "Ada4@example.com"]
    mailchimp.control.subscribe(ADA)
    changes = list(itertools.pairwise(ways))
    for old, new in changes:
        mailchimp.control.change_address(old, new)
    for second, (old, new) in reversed(list(enumerate(changes))):
        tell("upemail", fired_at=f"2026-03-01 10:00:0{second}", old_email=old.lower(), new_email=new)

    assert verdicts(confirmer, inbox) == ["confirmed"] * 3


def test_a_changed_address_is_refuted_where_nobody_moved(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    for person in (ADA, EVE):
        mailchimp.control.subscribe(person)
    tell("profile", email=BOB, web_id="4711", is_signed=True)
    tell("upemail", old_email=ADA, new_email=EVE)
    tell("upemail", old_email=ADA, new_email="nobody@example.com")
    tell("upemail", old_email=ADA, new_email="")
    tell("upemail", old_email=BOB, new_email=EVE)

    assert verdicts(confirmer, inbox) == [None, *["refuted"] * 4]


@pytest.mark.rule("R2")
def test_opt_outs_and_what_was_signed_are_not_asked_for(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    tell("unsubscribe", email=ADA)
    tell("cleaned", email=BOB)
    tell("subscribe", email=EVE, is_signed=True)
    mailchimp.control.clear_requests()

    assert verdicts(confirmer, inbox) == [None, None, None]
    assert mailchimp.control.requests() == []


def test_an_event_without_an_audience_is_refuted(confirmer: Confirmer, inbox: Inbox, tell: Tell) -> None:
    tell("subscribe", email=ADA, list_id="")

    assert verdicts(confirmer, inbox) == ["refuted"]


def test_many_are_read_as_one_listing(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    people = [f"person{number}@example.com" for number in range(MOST_SINGLE + 5)]
    for person in people:
        mailchimp.control.subscribe(person)
        tell("subscribe", email=person)
    mailchimp.control.clear_requests()

    assert set(verdicts(confirmer, inbox)) == {"confirmed"}
    assert len(mailchimp.control.requests()) <= 2


@pytest.mark.rule("R1")
@pytest.mark.parametrize("event_type", ["subscribe", "profile"])
def test_an_event_under_an_address_that_is_nobodys_is_about_the_contact_with_its_number(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell, event_type: str
) -> None:
    mailchimp.control.subscribe(ADA, merge_fields={"FNAME": "Ada"})
    number = str(confirmer._client.find_member(mailchimp.list_id, ADA)["web_id"])
    tell(event_type, email=BOB, web_id=number, **{"merges][FNAME": "Mallory"})
    tell(event_type, email=BOB, web_id="1", **{"merges][FNAME": "Mallory"})
    mailchimp.control.set_faults(
        [{"match": {"path": "/members$"}, "effect": {"kind": "status", "status": 500}}]
    )
    assert confirmed(confirmer, inbox) == []

    mailchimp.control.clear_faults()
    known, unknown = confirmed(confirmer, inbox)
    assert (known.confirmation, known.data["email"]) == ("confirmed", ADA)
    assert known.data["merges"] == {"FNAME": "Ada"}
    assert (unknown.confirmation, unknown.data["email"]) == ("refuted", BOB)


@pytest.mark.rule("R2")
def test_while_mailchimp_does_not_answer_the_opt_outs_go_out(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    mailchimp.control.subscribe(ADA)
    tell("subscribe", email=ADA)
    tell("unsubscribe", email=BOB)
    mailchimp.control.set_faults(
        [{"match": {"path": "/members/"}, "effect": {"kind": "status", "status": 500}}]
    )

    (opt_out,) = confirmed(confirmer, inbox)
    assert (opt_out.type, confirmer.failure is None) == ("unsubscribe", False)

    mailchimp.control.clear_faults()
    (event,) = confirmer.confirm(inbox.read(CONTACT_EVENTS, after=opt_out.sequence))
    assert (event.type, event.confirmation) == ("subscribe", "confirmed")


def test_an_event_waits_for_an_answer_for_a_week(
    mailchimp: RunningMailchimp, confirmer: Confirmer, inbox: Inbox, tell: Tell
) -> None:
    tell("subscribe", email=ADA)
    mailchimp.control.set_faults(
        [{"match": {"path": "/members/"}, "effect": {"kind": "status", "status": 500}}]
    )
    late = Confirmer(confirmer._client, inbox, lambda: datetime.now(UTC) + LONGEST_WAIT + timedelta(hours=3))

    assert verdicts(confirmer, inbox) == []
    assert verdicts(late, inbox) == ["refuted"]


@pytest.mark.parametrize(("confirm", "expected"), [(True, "refuted"), (False, None)])
def test_the_tap_tells_it(
    mailchimp: RunningMailchimp,
    sqlite_url: str,
    tell: Tell,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    confirm: bool,
    expected: str | None,
) -> None:
    tell("subscribe", email=EVE)
    config: dict[str, Any] = {
        "inbox_database_url": sqlite_url,
        "api_key": mailchimp.api_key,
        "base_url": mailchimp.base_url,
        "confirm_unsigned": confirm,
    }
    kept = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        TapMailchimpWebhooks(config=config).sync_all()
    finally:
        signal.signal(signal.SIGINT, kept[0])
        signal.signal(signal.SIGTERM, kept[1])

    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    records = [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == CONTACT_EVENTS]
    assert [record["confirmation"] for record in records] == [expected]
