"""The stream of everyone who is out at present."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.mailchimp import MailchimpClient
from simulators.mailchimp.testing import RunningMailchimp
from tap_mailchimp_webhooks.streams.opt_outs import opt_out_record, present_opt_outs
from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks

pytestmark = pytest.mark.usefixtures("handlers")

PEOPLE = [f"person{number}@example.com" for number in range(8)]
OPT_OUTS = "opt_outs"
CONTACT_EVENTS = "contact_events"

Message = dict[str, Any]


@dataclass(frozen=True)
class Tap:
    """Runs the tap in this process, with some of its streams selected by a catalog."""

    mailchimp: RunningMailchimp
    inbox_file: Path
    capture: pytest.CaptureFixture[str]

    def make(self, *selected: str, state: Message | None = None, **settings: Any) -> TapMailchimpWebhooks:
        """The tap; without a selection, without a catalog."""
        config = {
            "api_key": self.mailchimp.api_key,
            "base_url": self.mailchimp.base_url,
            "inbox_database_url": f"sqlite:///{self.inbox_file}",
            "catch_up": False,
            **settings,
        }
        given = {name: value for name, value in config.items() if value is not None}
        catalog = TapMailchimpWebhooks(config=given).catalog
        for name, entry in catalog.items():
            entry.metadata.root.selected = name in selected
        return TapMailchimpWebhooks(
            config=given, catalog=catalog.to_dict() if selected else None, state=state
        )

    def run(self, *selected: str, **given: Any) -> list[Message]:
        """Run it; what it wrote."""
        tap = self.make(*selected, **given)
        self.capture.readouterr()
        tap.sync_all()
        return [json.loads(line) for line in self.capture.readouterr().out.splitlines()]

    def records(self, *selected: str, **given: Any) -> list[Message]:
        """Run it; the records of `opt_outs`."""
        messages = self.run(*(selected or (OPT_OUTS,)), **given)
        return [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == OPT_OUTS]


@pytest.fixture
def tap(mailchimp: RunningMailchimp, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tap:
    return Tap(mailchimp, tmp_path / "inbox.sqlite3", capsys)


def act_of_every_kind(mailchimp: RunningMailchimp) -> None:
    for person in PEOPLE:
        mailchimp.control.subscribe(person)
    mailchimp.control.unsubscribe(PEOPLE[0], reason="Too many mails")
    mailchimp.control.complain(PEOPLE[1])
    mailchimp.control.bounce(PEOPLE[2])
    mailchimp.control.archive(PEOPLE[3])
    mailchimp.control.unsubscribe(PEOPLE[4])
    mailchimp.control.subscribe(PEOPLE[4])
    mailchimp.control.unsubscribe(PEOPLE[5])
    mailchimp.control.delete_permanently(PEOPLE[5])


def test_lists_who_is_out_at_present(tap: Tap, mailchimp: RunningMailchimp) -> None:
    act_of_every_kind(mailchimp)

    found = {record["email"]: record for record in tap.records()}

    told = ("type", "reason", "unsubscribe_reason", "list_id")
    assert {email: tuple(record[name] for name in told) for email, record in found.items()} == {
        PEOPLE[0]: ("unsubscribe", "manual", "Too many mails", mailchimp.list_id),
        PEOPLE[1]: ("unsubscribe", "manual", found[PEOPLE[1]]["unsubscribe_reason"], mailchimp.list_id),
        PEOPLE[2]: ("cleaned", "hard", None, mailchimp.list_id),
    }
    assert found[PEOPLE[0]]["occurred_at"] == mailchimp.control.members()[PEOPLE[0]]["last_changed"]
    assert set(found[PEOPLE[0]]) == {*told, "event_id", "email", "occurred_at"}


def test_the_last_record_is_followed_by_the_word_that_it_was(tap: Tap, mailchimp: RunningMailchimp) -> None:
    act_of_every_kind(mailchimp)
    told = [m for m in tap.run(OPT_OUTS) if m["type"] in {"RECORD", "ACTIVATE_VERSION"}]
    assert [m["type"] for m in told] == [*["RECORD"] * 3, "ACTIVATE_VERSION"]
    assert len({m["version"] for m in told}) == 1


def test_half_a_listing_is_never_said_to_be_all(
    tap: Tap, mailchimp: RunningMailchimp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(*_: Any) -> Iterator[Message]:
        yield {"event_id": "1", "email": PEOPLE[0]}
        raise ConnectorError("Mailchimp went away.")

    monkeypatch.setattr("tap_mailchimp_webhooks.streams.opt_outs.present_opt_outs", breaks_off)
    with pytest.raises(ConnectorError):
        tap.run(OPT_OUTS)
    assert "ACTIVATE_VERSION" not in tap.capture.readouterr().out


def test_touches_neither_inbox_nor_state_nor_activity_feeds(tap: Tap, mailchimp: RunningMailchimp) -> None:
    act_of_every_kind(mailchimp)
    mailchimp.control.clear_requests()
    bookmark = {"replication_key": "sequence", "replication_key_value": 9, "inbox_id": "another"}

    messages = tap.run(OPT_OUTS, state={"bookmarks": {CONTACT_EVENTS: bookmark}}, catch_up=True)

    states = [message["value"] for message in messages if message["type"] == "STATE"]
    assert all(state["bookmarks"][CONTACT_EVENTS] == bookmark for state in states)
    assert not tap.inbox_file.exists()
    assert {request["path"].rpartition("/")[2] for request in mailchimp.control.requests()} == {
        "lists",
        "members",
    }


def test_without_a_catalog_it_is_left_out_and_contact_events_are_as_they_were(
    tap: Tap, mailchimp: RunningMailchimp
) -> None:
    act_of_every_kind(mailchimp)
    mailchimp.control.clear_requests()

    messages = tap.run()

    streams = {message["stream"] for message in messages if message["type"] == "SCHEMA"}
    assert streams == {CONTACT_EVENTS, "campaign_events", "webhooks"}
    assert not [path for path in _paths(mailchimp) if path.endswith("/members")]


def test_discovery_says_that_it_is_not_selected_by_default(tap: Tap) -> None:
    catalog = TapMailchimpWebhooks(config={}).catalog.to_dict()

    roots = {
        entry["stream"]: next(m["metadata"] for m in entry["metadata"] if not m["breadcrumb"])
        for entry in catalog["streams"]
    }
    assert roots[OPT_OUTS]["selected-by-default"] is False
    assert roots[OPT_OUTS]["selected"] is False
    assert roots[CONTACT_EVENTS]["selected"] is True


def test_the_same_state_has_the_same_id_and_a_new_one_another(tap: Tap, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.unsubscribe(PEOPLE[0])
    first, second = tap.records(), tap.records()
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.advance_clock(5)
    mailchimp.control.unsubscribe(PEOPLE[0])
    third = tap.records()

    assert first == second
    assert [record["email"] for record in third] == [PEOPLE[0]]
    assert first[0]["event_id"] != third[0]["event_id"]


def test_every_audience_is_listed_or_those_that_are_named(tap: Tap, mailchimp: RunningMailchimp) -> None:
    other = mailchimp.control.add_list("Another audience")
    for list_id in (mailchimp.list_id, other):
        mailchimp.control.subscribe(PEOPLE[0], list_id)
        mailchimp.control.unsubscribe(PEOPLE[0], list_id)

    everywhere = tap.records()

    assert {record["list_id"] for record in everywhere} == {mailchimp.list_id, other}
    assert len({record["event_id"] for record in everywhere}) == 2
    assert [record["list_id"] for record in tap.records(list_ids=[other])] == [other]


def test_an_audience_that_cannot_be_read_fails_the_run(tap: Tap, mailchimp: RunningMailchimp) -> None:
    with pytest.raises(ConfigurationError, match="deleted123"):
        tap.records(list_ids=[mailchimp.list_id, "deleted123"])


def test_without_credentials_it_says_which_settings_are_missing(tap: Tap) -> None:
    with pytest.raises(ConfigurationError, match="`api_key` or `access_token`"):
        tap.records(api_key=None)


def test_is_emitted_while_it_is_read(mailchimp: RunningMailchimp, client: MailchimpClient) -> None:
    mailchimp.control.put_members(
        {
            "email": f"gone{number}@example.com",
            "state": "unsubscribed_by_contact",
            "last_changed": 1.6e9 + number,
        }
        for number in range(2_500)
    )
    listing = present_opt_outs(client, [mailchimp.list_id])
    mailchimp.control.clear_requests()

    first = list(itertools.islice(listing, 1_000))
    assert len(_paths(mailchimp)) == 1
    everyone = [*first, *listing]

    assert len({record["email"] for record in everyone}) == len(everyone) == 2_500
    # Three pages of those who unsubscribed, the empty one that ends them, and one of those who bounced.
    assert len(_paths(mailchimp)) == 5


def test_a_signal_ends_it_with_a_status_that_says_so(tap: Tap, mailchimp: RunningMailchimp) -> None:
    act_of_every_kind(mailchimp)
    stopped = tap.make(OPT_OUTS)
    listing = stopped.streams[OPT_OUTS].get_records(None)
    next(iter(listing))
    stopped._handle_termination(signal.SIGTERM, None)

    with pytest.raises(SystemExit) as end:
        next(iter(listing))

    assert end.value.code == 143


def test_a_member_without_an_address_is_left_out(client: MailchimpClient, monkeypatch: Any) -> None:
    def members(_self: MailchimpClient, _list_id: str, *, status: str, **_: Any) -> Iterator[Message]:
        addresses = ("", "0123@forgotten.mailchimp.com", PEOPLE[0])
        return iter(
            {"id": address, "email_address": address, "status": status, "last_changed": ""}
            for address in addresses
        )

    monkeypatch.setattr(MailchimpClient, "members", members)

    found = list(present_opt_outs(client, ["one"]))

    assert [(record["email"], record["type"]) for record in found] == [
        (PEOPLE[0], "unsubscribe"),
        (PEOPLE[0], "cleaned"),
    ]


def test_times_are_emitted_in_utc() -> None:
    member = {"id": "1", "email_address": PEOPLE[0], "status": "cleaned"}

    def occurred_at(changed: str) -> Any:
        return opt_out_record({**member, "last_changed": changed}, "one")["occurred_at"]

    assert occurred_at("2026-03-01T12:00:00+02:00") == "2026-03-01T10:00:00+00:00"
    assert occurred_at("2026-03-01T12:00:00Z") == "2026-03-01T12:00:00+00:00"
    # An opt-out without a time holds now: it must not be set aside for that.
    assert occurred_at("") >= "2026"


def test_members_without_an_id_are_told_apart() -> None:
    member = {"status": "cleaned", "last_changed": "2026-03-01T12:00:00Z"}
    records = [opt_out_record({**member, "email_address": one}, "one") for one in PEOPLE[:2]]
    assert len({record["event_id"] for record in records}) == 2


def test_contact_events_are_drained_beside_it(tap: Tap, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.unsubscribe(PEOPLE[0])

    messages = tap.run(CONTACT_EVENTS, OPT_OUTS, catch_up=True)

    found = [(m["stream"], m["record"]["email"]) for m in messages if m["type"] == "RECORD"]
    assert sorted(found) == [(CONTACT_EVENTS, PEOPLE[0]), (OPT_OUTS, PEOPLE[0])]


def _paths(mailchimp: RunningMailchimp) -> list[str]:
    return [request["path"] for request in mailchimp.control.requests()]
