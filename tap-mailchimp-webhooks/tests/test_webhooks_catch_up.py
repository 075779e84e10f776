from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinetic_mailchimp.kit.errors import ConfigurationError, PermissionDeniedError
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings, subscriber_hash
from simulators.mailchimp.testing import RunningMailchimp
from tap_mailchimp_webhooks.catch_up.missed_events import (
    OPTED_OUT,
    SATISFIED_BY,
    missed_change,
    missed_opt_out,
    not_before_last_event,
    status_after,
    superseded_by_webhook,
)
from tap_mailchimp_webhooks.catch_up.poller import CatchUp, CatchUpSettings
from tap_mailchimp_webhooks.catch_up.scheduler import PeriodicCatchUp
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.events.event import CATCH_UP, CONTACT_EVENTS, Arrival, text_of
from tap_mailchimp_webhooks.inbox.person import events_of, unread
from tap_mailchimp_webhooks.inbox.statistics import count_deliveries
from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent
from tap_mailchimp_webhooks.streams.contact_events import contact_details
from tap_mailchimp_webhooks.webhooks.urls import public_url

PEOPLE = [f"person{number}@example.com" for number in range(8)]


@pytest.fixture
def catch_up(client: MailchimpClient, inbox: Inbox, mailchimp: RunningMailchimp) -> Callable[..., int]:
    def run(**settings: Any) -> int:
        return CatchUp(client, inbox, CatchUpSettings((mailchimp.list_id,), **settings)).run()

    return run


def emitted(inbox: Inbox, after: int = 0) -> list[Mapping[str, Any]]:
    events = inbox.read(CONTACT_EVENTS, after=after)
    return [
        {
            "origin": event.origin,
            "initiated_by": text_of(event.data, "initiated_by") if event.origin == CATCH_UP else None,
            **contact_details(event.type, event.data),
        }
        for event in events
    ]


@pytest.mark.rule("R2")
def test_finds_every_kind_of_opt_out_that_no_webhook_reported(
    mailchimp: RunningMailchimp, inbox: Inbox, catch_up: Callable[..., int]
) -> None:
    for person in PEOPLE:
        mailchimp.control.subscribe(person)
    campaign = mailchimp.control.add_campaign()
    mailchimp.control.unsubscribe(PEOPLE[0], reason="Too many mails", campaign_id=campaign)
    mailchimp.control.complain(PEOPLE[1], campaign_id=campaign)
    mailchimp.control.bounce(PEOPLE[2])
    mailchimp.control.archive(PEOPLE[3])

    assert catch_up() == 4

    found = {record["email"]: record for record in emitted(inbox)}
    assert set(found) == set(PEOPLE[:4])
    assert {record["origin"] for record in found.values()} == {"catch_up"}
    told = ("type", "reason", "action")
    assert [tuple(found[person][name] for name in told) for person in PEOPLE[:4]] == [
        ("unsubscribe", "manual", "unsub"),
        ("unsubscribe", "abuse", "unsub"),
        ("cleaned", "hard", None),
        ("unsubscribe", "manual", "delete"),
    ]
    assert found[PEOPLE[0]]["unsubscribe_reason"] == "Too many mails"
    assert found[PEOPLE[0]]["campaign_id"] == campaign
    assert found[PEOPLE[1]]["campaign_id"] == campaign
    assert all(record["merges"] == {} for record in found.values())


def test_finds_nothing_twice(mailchimp: RunningMailchimp, catch_up: Callable[..., int]) -> None:
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.unsubscribe(PEOPLE[0])

    assert [catch_up() for _ in range(3)] == [1, 0, 0]


def test_finds_nothing_that_a_webhook_reported(
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    start_receiver: Callable[..., str],
    catch_up: Callable[..., int],
    path_secret: str,
) -> None:
    _register(client, mailchimp.list_id, public_url(start_receiver(), path_secret))
    for person in PEOPLE:
        mailchimp.control.subscribe(person)
    mailchimp.control.unsubscribe(PEOPLE[0])
    mailchimp.control.complain(PEOPLE[1])
    mailchimp.control.bounce(PEOPLE[2])
    mailchimp.control.archive(PEOPLE[3])
    mailchimp.control.edit_profile(PEOPLE[4], merge_fields={"FNAME": "Ada"})
    mailchimp.control.flush_webhooks(hurry=True)

    assert catch_up(all_changes=True) == 0


@pytest.mark.rule("R2")
def test_with_the_receiver_off_the_final_state_is_the_same(
    mailchimp: RunningMailchimp, inbox: Inbox, catch_up: Callable[..., int]
) -> None:
    for person in PEOPLE:
        mailchimp.control.subscribe(person)
    assert catch_up() == 0
    for person in PEOPLE[:4]:
        mailchimp.control.unsubscribe(person)
    mailchimp.control.subscribe(PEOPLE[0])
    catch_up()
    mailchimp.control.unsubscribe(PEOPLE[0])
    catch_up()

    known = inbox.about(mailchimp.list_id, PEOPLE)
    states = {person: status_after(known.get(person, ())) for person in PEOPLE}
    assert states == {**dict.fromkeys(PEOPLE), **dict.fromkeys(PEOPLE[:4], "unsubscribed")}


def test_without_a_backfill_old_opt_outs_are_left_out(
    mailchimp: RunningMailchimp, catch_up: Callable[..., int]
) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    person = {"email": PEOPLE[0], "state": "unsubscribed_by_contact", "last_changed": long_ago}
    mailchimp.control.put_members([person])

    assert catch_up(backfill=False) == 0


@pytest.mark.rule("R2")
def test_with_a_backfill_old_opt_outs_are_found(
    mailchimp: RunningMailchimp, catch_up: Callable[..., int]
) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
    mailchimp.control.put_members(
        {"email": f"{state}@example.com", "state": state, "last_changed": long_ago}
        for state in ("unsubscribed_by_contact", "complained", "cleaned", "archived", "subscribed", "pending")
    )

    assert catch_up() == 4


def test_finds_changes_of_subscribed_people_when_told_to(
    mailchimp: RunningMailchimp, inbox: Inbox, catch_up: Callable[..., int]
) -> None:
    mailchimp.control.subscribe(PEOPLE[0], merge_fields={"FNAME": "Ada"})
    assert catch_up(all_changes=True) == 1
    mailchimp.control.edit_profile(PEOPLE[0], merge_fields={"FNAME": "Augusta"})
    mailchimp.control.subscribe(PEOPLE[1])
    assert catch_up(all_changes=True) == 2
    mailchimp.control.change_address(PEOPLE[1], "new@example.com")
    assert catch_up(all_changes=True) >= 1

    found = [(record["type"], record["email"], record["new_email"]) for record in emitted(inbox)]
    assert found[:3] == [
        ("subscribe", PEOPLE[0], None),
        ("profile", PEOPLE[0], None),
        ("subscribe", PEOPLE[1], None),
    ]
    assert ("upemail", PEOPLE[1], "new@example.com") in found
    assert catch_up(all_changes=True) == 0


def test_finds_a_changed_address_of_somebody_whom_no_event_was_about(
    mailchimp: RunningMailchimp, inbox: Inbox, catch_up: Callable[..., int]
) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    mailchimp.control.put_members(
        {"email": person, "state": "subscribed", "last_changed": long_ago.timestamp()}
        for person in PEOPLE[:3]
    )
    assert catch_up(all_changes=True) == 0
    assert emitted(inbox) == []

    mailchimp.control.change_address(PEOPLE[0], "new@example.com")
    mailchimp.control.edit_profile(PEOPLE[1], merge_fields={"FNAME": "Augusta"})
    mailchimp.control.unsubscribe(PEOPLE[2])
    catch_up(all_changes=True)

    found = {(record["type"], record["email"], record["new_email"]) for record in emitted(inbox)}
    assert found == {
        ("upemail", PEOPLE[0], "new@example.com"),
        ("profile", "new@example.com", None),
        ("profile", PEOPLE[1], None),
        ("unsubscribe", PEOPLE[2], None),
    }
    # What is noted about people is not taken for what webhooks missed, nor for events that wait.
    assert count_deliveries(inbox.database, mailchimp.list_id, long_ago).missed == len(found)
    noted = events_of(inbox, PEOPLE[1])[:1]
    assert (noted[0].type, unread(inbox, noted)) == ("profile", 0)


def test_begins_again_where_a_failed_one_began(
    mailchimp: RunningMailchimp, inbox: Inbox, client: MailchimpClient, catch_up: Callable[..., int]
) -> None:
    for person in PEOPLE:
        mailchimp.control.subscribe(person)
    mailchimp.control.unsubscribe(PEOPLE[0])
    mailchimp.control.bounce(PEOPLE[1])
    whole = MailchimpClient.members

    def broken(self: MailchimpClient, list_id: str, **filters: Any) -> Any:
        if filters["status"] == "cleaned":
            raise ConnectionResetError
        return whole(self, list_id, **filters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MailchimpClient, "members", broken)
        with pytest.raises(ConnectionResetError):
            catch_up()

    assert [record["email"] for record in emitted(inbox)] == [PEOPLE[0]]
    assert catch_up() == 1


def test_an_audience_that_fails_does_not_keep_the_next_one_waiting(
    mailchimp: RunningMailchimp, client: MailchimpClient, inbox: Inbox
) -> None:
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.unsubscribe(PEOPLE[0])

    with pytest.raises(ConfigurationError, match="deleted123"):
        CatchUp(client, inbox, CatchUpSettings(("deleted123", mailchimp.list_id))).run()

    assert [record["email"] for record in emitted(inbox)] == [PEOPLE[0]]


def test_a_listing_that_fails_does_not_keep_the_opt_outs_of_others_waiting(
    mailchimp: RunningMailchimp, inbox: Inbox, catch_up: Callable[..., int]
) -> None:
    mailchimp.control.put_members([{"email": PEOPLE[0], "state": "cleaned"}])
    refusal = {"kind": "answer", "status": 403, "text": '{"title": "No", "detail": "Not this list."}'}
    match = {"method": "GET", "query": "status=unsubscribed"}
    mailchimp.control.set_faults([{"match": match, "effect": refusal}])

    with pytest.raises(PermissionDeniedError):
        catch_up()

    assert [record["email"] for record in emitted(inbox)] == [PEOPLE[0]]


def test_an_abuse_report_without_an_address_is_passed_over(
    mailchimp: RunningMailchimp, inbox: Inbox, catch_up: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.unsubscribe(PEOPLE[0])
    monkeypatch.setattr(MailchimpClient, "abuse_reports", lambda *_: iter([{"id": 1}]))

    assert catch_up() == 1
    assert [record["reason"] for record in emitted(inbox)] == ["manual"]


def test_a_member_without_address_or_time_keeps_no_other_from_being_found(
    mailchimp: RunningMailchimp, inbox: Inbox, catch_up: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = [{"status": "cleaned"}, {"status": "cleaned", "email_address": PEOPLE[0]}]
    monkeypatch.setattr(
        MailchimpClient, "members", lambda *_, status, **__: bare if status == "cleaned" else []
    )

    assert catch_up() == 1
    assert [record["email"] for record in emitted(inbox)] == [PEOPLE[0]]


def test_an_unforeseen_error_does_not_end_the_regular_catch_up(
    wait_until: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        runs = 0

        def run(self) -> int:
            self.runs += 1
            raise KeyError(PEOPLE[0])

    broken, stop = Broken(), threading.Event()
    PeriodicCatchUp(cast("CatchUp", broken), 0.001, stop).start()
    try:
        wait_until(lambda: broken.runs > 2)
    finally:
        stop.set()
    assert "KeyError" in caplog.text
    assert PEOPLE[0] not in caplog.text


ACTS = ("subscribe", "unsubscribe", "complain", "bounce", "archive", "edit_profile")
_steps = st.one_of(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 2)),
    st.sampled_from([("receiver on", 0), ("receiver off", 0), ("catch up", 0)]),
)


@given(steps=st.lists(_steps, max_size=14))
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_happened_while_the_receiver_was_on_or_off_the_inbox_ends_with_the_truth(
    steps: list[tuple[str, int]],
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    inbox: Inbox,
    receiver_url: str,
) -> None:
    list_id = mailchimp.control.add_list("An audience of its own")
    catch_up = CatchUp(client, inbox, CatchUpSettings((list_id,), all_changes=True))
    for act, number in steps:
        if act == "receiver on" and not client.webhooks(list_id):
            _register(client, list_id, receiver_url)
        elif act == "receiver off":
            mailchimp.control.flush_webhooks(hurry=True)
            for hook in client.webhooks(list_id):
                client.delete_webhook(list_id, hook["id"])
        elif act == "catch up":
            catch_up.run()
        elif act in ACTS:
            details = {"merge_fields": {"FNAME": "Ada"}} if act == "edit_profile" else {}
            with suppress(RuntimeError):  # not everybody can do everything: who never came cannot leave
                mailchimp.control.act(act, PEOPLE[number], list_id, **details)
    mailchimp.control.flush_webhooks(hurry=True)
    catch_up.run()

    known = inbox.about(list_id, PEOPLE)
    for address, member in mailchimp.control.members(list_id).items():
        state = status_after(known.get(address, ()))
        if member["status"] in SATISFIED_BY:
            assert state in SATISFIED_BY[member["status"]]
        if member["status"] == "subscribed":
            assert state not in OPTED_OUT
    assert catch_up.run() == 0


def test_an_opt_out_is_newer_than_a_webhook_that_was_dated_late(now: datetime) -> None:
    known = [_event(5, "subscribe")]
    told_at = datetime.fromisoformat(known[0].occurred_at)

    assert not_before_last_event(known, told_at - timedelta(seconds=3)) > told_at
    assert not_before_last_event(known, now) == now
    assert not_before_last_event([], now) == now


def test_a_webhook_that_came_after_the_listing_is_the_newer_news() -> None:
    known = [_event(5, "subscribe")]

    assert superseded_by_webhook(known, 4)
    assert not superseded_by_webhook(known, 5)
    assert not superseded_by_webhook([], 4)
    assert not superseded_by_webhook([replace(known[0], origin="catch_up")], 4)


def _skewed(hours: float) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(hours=hours)


@pytest.mark.rule("R2")
@pytest.mark.parametrize("receiver", [-2, -0.3, 0, 0.3, 2])
@pytest.mark.parametrize("tap", [-2, 0, 2])
def test_no_clock_decides_if_an_opt_out_is_found(
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    inbox: Inbox,
    start_receiver: Callable[..., str],
    path_secret: str,
    receiver: float,
    tap: float,
) -> None:
    clock = _skewed(receiver)
    _register(
        client, mailchimp.list_id, public_url(start_receiver(now=lambda: clock().timestamp()), path_secret)
    )
    catch_up = CatchUp(client, inbox, CatchUpSettings((mailchimp.list_id,)), _skewed(tap))
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.flush_webhooks(hurry=True)
    for hook in client.webhooks(mailchimp.list_id):
        client.delete_webhook(mailchimp.list_id, hook["id"])
    mailchimp.control.unsubscribe(PEOPLE[0])

    catch_up.run()

    assert status_after(inbox.about(mailchimp.list_id, PEOPLE)[PEOPLE[0]]) == "unsubscribed"
    assert catch_up.run() == 0


@pytest.mark.rule("R2")
def test_a_date_of_the_future_hides_no_later_opt_out(
    mailchimp: RunningMailchimp, client: MailchimpClient, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    catch_up = CatchUp(client, inbox, CatchUpSettings((mailchimp.list_id,)))
    with monkeypatch.context() as proxy:
        proxy.setattr(client, "server_time", lambda: datetime(2099, 1, 1, tzinfo=UTC))
        catch_up.run()
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.unsubscribe(PEOPLE[0])
    assert catch_up.run() == 1


@pytest.mark.rule("R2")
def test_a_clock_that_is_set_back_in_mid_run_loses_nothing(
    mailchimp: RunningMailchimp, client: MailchimpClient, inbox: Inbox
) -> None:
    hours = itertools.cycle((0, -2, 2))
    scope = CatchUpSettings((mailchimp.list_id,))
    catch_up = CatchUp(client, inbox, scope, lambda: datetime.now(UTC) + timedelta(hours=next(hours)))
    for person in PEOPLE[:3]:
        mailchimp.control.subscribe(person)
        mailchimp.control.unsubscribe(person)
        assert catch_up.run() == 1


@pytest.mark.rule("R2")
def test_the_watermark_does_not_pass_a_member_that_was_skipped(
    mailchimp: RunningMailchimp,
    client: MailchimpClient,
    inbox: Inbox,
    catch_up: Callable[..., int],
    make_arrival: Callable[..., Arrival],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mailchimp.control.subscribe(PEOPLE[0])
    mailchimp.control.unsubscribe(PEOPLE[0])
    plain = MailchimpClient.members

    def members(self: MailchimpClient, list_id: str, **filters: Any) -> Any:
        found = list(plain(self, list_id, **filters))
        if filters["status"] == "unsubscribed" and found:
            # A late delivery of what was before, after the page was asked for.
            inbox.store([make_arrival("subscribe", email=PEOPLE[0], list_id=mailchimp.list_id)])
        yield from found

    with monkeypatch.context() as patch:
        patch.setattr(MailchimpClient, "members", members)
        assert catch_up() == 0
    mailchimp.control.advance_clock(3_600)

    assert catch_up() == 1


@pytest.mark.rule("R7")
def test_an_event_from_the_future_does_not_hide_a_later_one(
    mailchimp: RunningMailchimp, inbox: Inbox, form: Callable[..., bytes], now: datetime
) -> None:
    told = {"email": PEOPLE[0], "list_id": mailchimp.list_id}
    bodies = [
        form("subscribe", "9999-01-01 00:00:00", **told),
        form("unsubscribe", "2026-03-01 10:00:00", **told),
    ]
    inbox.store([from_delivery(body, FORM, now) for body in bodies])

    assert status_after(inbox.about(mailchimp.list_id, PEOPLE)[PEOPLE[0]]) == "unsubscribed"


def test_tells_who_made_an_opt_out(
    mailchimp: RunningMailchimp, client: MailchimpClient, inbox: Inbox, catch_up: Callable[..., int]
) -> None:
    for person in PEOPLE[:4]:
        mailchimp.control.subscribe(person)
    mailchimp.control.unsubscribe(PEOPLE[0])
    client.patch_member(mailchimp.list_id, subscriber_hash(PEOPLE[1]), {"status": "unsubscribed"})
    mailchimp.control.complain(PEOPLE[2])
    mailchimp.control.bounce(PEOPLE[3])

    assert catch_up() == 4

    told = {record["email"]: record["initiated_by"] for record in emitted(inbox)}
    assert told == {PEOPLE[0]: "person", PEOPLE[1]: "admin", PEOPLE[2]: "person", PEOPLE[3]: None}


@pytest.mark.rule("R2")
@pytest.mark.parametrize("path", ["activity-feed", "abuse-reports"])
def test_details_that_cannot_be_read_cost_no_opt_out(
    mailchimp: RunningMailchimp, inbox: Inbox, path: str
) -> None:
    config = {"api_key": mailchimp.api_key, "base_url": mailchimp.base_url}
    client = MailchimpClient(MailchimpSettings.from_config(config), sleep=lambda _: None)
    for person in PEOPLE:
        mailchimp.control.subscribe(person)
        mailchimp.control.unsubscribe(person)
    broken = {"match": {"path": path}, "effect": {"kind": "status", "status": 500}}
    mailchimp.control.set_faults([broken])

    assert CatchUp(client, inbox, CatchUpSettings((mailchimp.list_id,))).run() == len(PEOPLE)

    mailchimp.control.clear_faults()
    assert CatchUp(client, inbox, CatchUpSettings((mailchimp.list_id,))).run() == 0


@pytest.fixture
def receiver_url(start_receiver: Callable[..., str], path_secret: str) -> str:
    return public_url(start_receiver(), path_secret)


def _register(client: MailchimpClient, list_id: str, url: str) -> None:
    on = dict.fromkeys(("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"), True)
    client.create_webhook(
        list_id, {"url": url, "events": on, "sources": {"user": True, "admin": True, "api": False}}
    )


_types = st.sampled_from(["subscribe", "unsubscribe", "cleaned", "profile"])


def _event(number: int, event_type: str) -> StoredEvent:
    moment = f"2026-03-01T10:00:{number:02}+00:00"
    return StoredEvent(number, str(number), event_type, "list", moment, moment, "webhook", {"merges": {}})


@given(st.lists(_types, max_size=6), st.sampled_from(["unsubscribed", "cleaned", "archived"]))
def test_an_opt_out_is_told_unless_the_last_known_state_tells_it(types: list[str], status: str) -> None:
    known = [_event(number, event_type) for number, event_type in enumerate(types)]
    member = {"status": status, "email_address": "a@example.com", "last_changed": "2026-03-01T11:00:00+00:00"}

    missed = missed_opt_out(member, "list", known)

    last_says_so = bool(types) and types[-1] in {"unsubscribe", "cleaned"}
    assert missed is not None or last_says_so
    if missed is not None:
        assert missed.type in {"unsubscribe", "cleaned"}


def test_a_profile_that_a_webhook_told_already_is_no_change() -> None:
    member = {
        "status": "subscribed",
        "email_address": "a@example.com",
        "web_id": 7,
        "last_changed": "2026-03-01T11:00:00+00:00",
        "merge_fields": {"FNAME": "Ada", "LTV": 5, "LNAME": ""},
    }
    event = _event(1, "profile")
    told = StoredEvent(
        **{**vars(event), "data": {"merges": {"EMAIL": "a@example.com", "FNAME": "Ada", "LTV": "5"}}}
    )

    since = "2026-03-01T00:00:00+00:00"
    assert missed_change(member, "list", [told], since=since, former_address=None) == []
    changed = {**member, "merge_fields": {"FNAME": "Augusta"}}
    (missed,) = missed_change(changed, "list", [told], since=since, former_address=None)
    assert missed.type == "profile"


@pytest.mark.parametrize("merges", ["x", ["x"], {}, None])
def test_an_event_whose_fields_are_none_keeps_no_catch_up_from_its_end(merges: object) -> None:
    # As an unsigned delivery with `data[merges][]=x` leaves it.
    member = {"status": "subscribed", "email_address": "a@example.com", "merge_fields": {"FNAME": "Ada"}}
    forged = StoredEvent(**{**vars(_event(1, "profile")), "data": {"merges": merges}})
    since = "2026-03-01T00:00:00+00:00"
    (missed,) = missed_change(member, "list", [forged], since=since, former_address=None)
    assert missed.type == "profile"
