from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_mailchimp_webhooks.catch_up.missed_events import from_catch_up
from tap_mailchimp_webhooks.events import delivery
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.events.event import CAMPAIGN_EVENTS, CONTACT_EVENTS
from tap_mailchimp_webhooks.streams.campaign_events import campaign_details
from tap_mailchimp_webhooks.streams.contact_events import contact_details

# The vendor's own samples, in the form in which they travel.
SUBSCRIBE = (
    b"type=subscribe&fired_at=2009-03-26+21%3A35%3A57&data%5Bid%5D=8a25ff1d98&data%5Blist_id%5D=a6b5da1054"
    b"&data%5Bemail%5D=api%40example.com&data%5Bemail_type%5D=html&data%5Bmerges%5D%5BEMAIL%5D=api%40example.com"
    b"&data%5Bmerges%5D%5BFNAME%5D=Mail&data%5Bmerges%5D%5BLNAME%5D=Sample"
    b"&data%5Bmerges%5D%5BADDRESS%5D%5Baddr1%5D=1+Main+St&data%5Bmerges%5D%5BADDRESS%5D%5Bcity%5D=Springfield"
    b"&data%5Bmerges%5D%5BINTERESTS%5D=Group1%2CGroup2&data%5Bmerges%5D%5BGROUPINGS%5D%5B0%5D%5Bid%5D=6197"
    b"&data%5Bmerges%5D%5BGROUPINGS%5D%5B0%5D%5Bname%5D=Likes&data%5Bmerges%5D%5BGROUPINGS%5D%5B0%5D%5Bgroups%5D=Yes"
    b"&data%5Bip_opt%5D=192.0.2.1&data%5Bip_signup%5D=192.0.2.1"
)
UNSUBSCRIBE = (
    b"type=unsubscribe&fired_at=2009-03-26 21:40:57&data[action]=unsub&data[reason]=manual"
    b"&data[id]=8a25ff1d98&data[list_id]=a6b5da1054&data[email]=api+unsub@example.com&data[email_type]=html&data[merges][FNAME]=Mail"
    b"&data[ip_opt]=192.0.2.1&data[campaign_id]=cb398d21d2"
)
PROFILE = (
    b"type=profile&fired_at=2009-03-26 21:31:21&data[id]=8a25ff1d98&data[list_id]=a6b5da1054"
    b"&data[email]=api@example.com&data[email_type]=html&data[merges][FNAME]=Mail&data[ip_opt]=192.0.2.1"
)
UPEMAIL = (
    b"type=upemail&fired_at=2009-03-26 22:15:09&data[list_id]=a6b5da1054&data[new_id]=51da8c3259"
    b"&data[new_email]=api_new@example.com&data[old_email]=api_old@example.com"
)
CLEANED = (
    b"type=cleaned&fired_at=2009-03-26 22:01:00&data[list_id]=a6b5da1054&data[campaign_id]=4fjk2ma9xd"
    b"&data[reason]=hard&data[email]=api+clean@example.com"
)
CAMPAIGN = (
    b"type=campaign&fired_at=2009-03-26 21:31:21&data[id]=5aa2102003&data[subject]=Test Campaign Subject"
    b"&data[status]=sent&data[reason]=&data[list_id]=a6b5da1054"
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (SUBSCRIBE, {"type": "subscribe", "email": "api@example.com", "reason": None}),
        (
            UNSUBSCRIBE,
            {
                "type": "unsubscribe",
                "action": "unsub",
                "reason": "manual",
                "email": "api unsub@example.com",
                "campaign_id": "cb398d21d2",
            },
        ),
        (UNSUBSCRIBE + b"&data[web_id]=404947702", {"web_id": "404947702"}),
        (UNSUBSCRIBE + b"&data[web_id]=4x4", {"web_id": None}),
        (PROFILE, {"type": "profile", "email": "api@example.com", "merges": {"FNAME": "Mail"}}),
        (
            UPEMAIL,
            {
                "type": "upemail",
                "email": "api_old@example.com",
                "old_email": "api_old@example.com",
                "new_email": "api_new@example.com",
                "merges": {},
            },
        ),
        (CLEANED, {"type": "cleaned", "reason": "hard", "campaign_id": "4fjk2ma9xd"}),
    ],
)
def test_reads_the_official_samples(body: bytes, expected: dict[str, Any], now: datetime) -> None:
    arrival = from_delivery(body, FORM, now)

    assert arrival.stream == CONTACT_EVENTS
    assert arrival.list_id == "a6b5da1054"
    record = contact_details(arrival.type, arrival.data)
    assert {name: record[name] for name in expected} == expected


def test_reads_merge_fields_to_any_depth(now: datetime) -> None:
    merges = contact_details("subscribe", from_delivery(SUBSCRIBE, FORM, now).data)["merges"]

    assert merges["ADDRESS"] == {"addr1": "1 Main St", "city": "Springfield"}
    assert merges["GROUPINGS"] == [{"id": "6197", "name": "Likes", "groups": "Yes"}]


def test_a_campaign_goes_to_a_stream_of_its_own(now: datetime) -> None:
    arrival = from_delivery(CAMPAIGN, FORM, now)

    assert arrival.stream == CAMPAIGN_EVENTS
    assert campaign_details(arrival.data) == {
        "campaign_id": "5aa2102003",
        "subject": "Test Campaign Subject",
        "status": "sent",
        "reason": None,
    }


def test_times_are_utc_and_sort_as_text(now: datetime) -> None:
    arrival = from_delivery(SUBSCRIBE, FORM, now)

    assert arrival.occurred_at == "2009-03-26T21:35:57+00:00"
    assert arrival.received_at == "2026-03-01T12:00:00.000000+00:00"


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    "fired_at",
    [
        "2026-03-01T09:30:00Z",
        "2026-03-01 09:30:00+00:00",
        "2026-03-01T04:30:00-05:00",
        "2026-03-01 10:30:00.123+0100",
    ],
)
def test_a_time_with_a_zone_is_that_time(form: Callable[..., bytes], now: datetime, fired_at: str) -> None:
    arrival = from_delivery(form(fired_at=fired_at, email="a@example.com"), FORM, now)

    assert arrival.occurred_at == "2026-03-01T09:30:00+00:00"


@pytest.mark.rule("R2")
def test_an_opt_out_with_an_unreadable_time_is_not_lost(form: Callable[..., bytes], now: datetime) -> None:
    arrival = from_delivery(form(fired_at="yesterday", email="a@example.com"), FORM, now)

    assert arrival.stream == CONTACT_EVENTS
    assert arrival.occurred_at == "2026-03-01T12:00:00+00:00"


def test_an_unsubscribe_without_an_action_is_one(form: Callable[..., bytes], now: datetime) -> None:
    arrival = from_delivery(form(email="a@example.com", reason="manual"), FORM, now)

    assert arrival.stream == CONTACT_EVENTS
    assert contact_details(arrival.type, arrival.data)["action"] is None


def test_an_unsubscribe_without_an_address_is_about_that_of_its_merge_fields(now: datetime) -> None:
    body = b"type=unsubscribe&data[list_id]=1&data[merges][EMAIL]=a@example.com"

    arrival = from_delivery(body, FORM, now)

    assert (arrival.stream, arrival.email) == (CONTACT_EVENTS, "a@example.com")
    assert contact_details(arrival.type, arrival.data)["email"] == "a@example.com"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
def test_a_form_under_another_label_is_read(
    content_type: str, form: Callable[..., bytes], now: datetime
) -> None:
    assert from_delivery(form(email="a@example.com"), content_type, now).stream == CONTACT_EVENTS


@pytest.mark.parametrize(
    ("body", "content_type", "note"),
    [
        (b"", FORM, "not_an_event"),
        (b"\xff\x00nonsense", FORM, "not_an_event"),
        (b"type=unsubscribe", FORM, "not_an_event"),
        (b"type=&data[email]=a@example.com", FORM, "not_an_event"),
        (b"type[x]=unsubscribe&data[email]=a@example.com", FORM, "not_an_event"),
        (b"type=sms_subscribe&data[phone]=1", FORM, "unknown_type"),
        (b"type=unsubscribe&data[list_id]=1", FORM, "no_email"),
        (b"type=unsubscribe&data[email][x]=1", FORM, "no_email"),
        (b"type=upemail&data[new_email]=a@example.com", FORM, "no_email"),
        (b"a" + b"[b]" * 99 + b"=", FORM, "malformed_form"),
        (b'{"type":"unsubscribe"}', "application/json", "not_a_form"),
    ],
)
def test_a_body_that_cannot_be_understood_is_kept_unabridged(
    body: bytes, content_type: str, note: str, now: datetime
) -> None:
    arrival = from_delivery(body, content_type, now)

    assert arrival.stream is None
    assert arrival.is_quarantined
    assert arrival.note == note
    assert base64.b64decode(arrival.data["body"]) == body


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("unsubscribe", {"email": "0123abcd@forgotten.mailchimp.com"}),
        ("upemail", {"old_email": "a@example.com", "new_email": "0123ABCD@Forgotten.Mailchimp.com"}),
    ],
)
def test_a_person_whom_mailchimp_forgot_is_kept_but_not_emitted(
    event_type: str, data: dict[str, str], form: Callable[..., bytes], now: datetime
) -> None:
    arrival = from_delivery(form(event_type, **data), FORM, now)

    assert arrival.stream is None
    assert not arrival.is_quarantined


@pytest.mark.rule("R2")
def test_the_same_event_has_the_same_id_however_its_fields_are_ordered(now: datetime) -> None:
    shuffled = b"&".join(reversed(UNSUBSCRIBE.split(b"&")))
    later = now + timedelta(hours=1)

    assert from_delivery(UNSUBSCRIBE, FORM, now).event_id == from_delivery(shuffled, FORM, later).event_id


def test_the_same_change_at_another_time_is_another_event(form: Callable[..., bytes], now: datetime) -> None:
    first = from_delivery(form(fired_at="2026-03-01 10:00:00", email="a@example.com"), FORM, now)
    second = from_delivery(form(fired_at="2026-03-01 10:00:01", email="a@example.com"), FORM, now)

    assert first.event_id != second.event_id


def test_two_catch_ups_find_one_event(now: datetime) -> None:
    data = {"email": "A@example.com", "list_id": "1"}
    again = {"email": "a@example.com", "list_id": "1", "merges": {"FNAME": "Ada"}}
    first = from_catch_up("unsubscribe", data, now, now)

    assert first.event_id == from_catch_up("unsubscribe", again, now, now + timedelta(hours=1)).event_id
    assert first.event_id != from_catch_up("cleaned", data, now, now).event_id


@pytest.mark.rule("R2")
@given(body=st.binary(max_size=300), content_type=st.text(max_size=40) | st.just(FORM))
def test_any_bytes_become_an_event_that_can_be_stored(body: bytes, content_type: str) -> None:
    moment = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
    arrival = from_delivery(body, content_type, moment)

    assert len(arrival.event_id) == 64
    assert "\0" not in f"{arrival.type}{arrival.list_id}"
    assert arrival.stream is not None or arrival.note is not None


_addresses = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20
).map(lambda name: f"{name}@example.com")


@pytest.mark.rule("R2")
@given(
    event_type=st.sampled_from(["subscribe", "unsubscribe", "profile", "cleaned"]),
    email=_addresses,
    merges=st.dictionaries(
        st.sampled_from(["FNAME", "LNAME", "MMERGE5"]), st.text(st.characters(codec="utf-8"))
    ),
)
def test_no_well_formed_event_is_lost(event_type: str, email: str, merges: dict[str, str]) -> None:
    fields = {
        "type": event_type,
        "fired_at": "2026-03-01 12:00:00",
        "data[email]": email,
        "data[list_id]": "1",
    }
    body = urlencode({**fields, **{f"data[merges][{tag}]": value for tag, value in merges.items()}}).encode()

    arrival = from_delivery(body, FORM, datetime.fromisoformat("2026-03-01T12:00:01+00:00"))

    assert arrival.stream == CONTACT_EVENTS
    record = contact_details(arrival.type, arrival.data)
    assert (record["type"], record["email"], record["merges"]) == (event_type, email, merges)


@pytest.mark.rule("R2")
def test_an_error_of_ours_does_not_lose_a_delivery(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    def fail(_body: bytes) -> None:
        raise RecursionError

    monkeypatch.setattr(delivery, "parse_form", fail)

    arrival = from_delivery(UNSUBSCRIBE, FORM, now)

    assert (arrival.stream, arrival.note) == (None, "not_understood")
    assert base64.b64decode(arrival.data["body"]) == UNSUBSCRIBE


@pytest.mark.rule("R2")
@pytest.mark.parametrize("index", ["9" * 5_000, "9" * 500, "٣", "-1", "1e999999"])
def test_an_odd_number_in_a_key_does_not_lose_a_delivery(index: str, now: datetime) -> None:
    arrival = from_delivery(UNSUBSCRIBE + f"&data[x][{index}]=1&data[x][]=1".encode(), FORM, now)

    assert arrival.stream == CONTACT_EVENTS or arrival.note == "malformed_form"


def test_what_is_too_long_for_an_address_is_kept_apart(now: datetime) -> None:
    arrival = from_delivery(b"type=unsubscribe&data[email]=a@" + b"+" * 60_000 + b"b", FORM, now)

    assert (arrival.stream, arrival.note) == (None, "no_email")


@pytest.mark.rule("R7")
@pytest.mark.parametrize(
    ("fired_at", "claimed_at"),
    [
        ("9999-12-31 23:59:59", "9999-12-31T23:59:59+00:00"),
        ("2026-03-01 12:00:01", "2026-03-01T12:00:01+00:00"),
    ],
)
def test_an_event_from_the_future_happened_when_it_came(
    form: Callable[..., bytes], now: datetime, fired_at: str, claimed_at: str
) -> None:
    arrival = from_delivery(form(fired_at=fired_at, email="ada@example.com"), FORM, now)

    assert arrival.occurred_at == "2026-03-01T12:00:00+00:00"
    assert arrival.claimed_at == claimed_at


def test_a_time_that_can_be_true_stays(form: Callable[..., bytes], now: datetime) -> None:
    arrival = from_delivery(form(fired_at="2026-03-01 12:00:00", email="ada@example.com"), FORM, now)

    assert (arrival.occurred_at, arrival.claimed_at) == ("2026-03-01T12:00:00+00:00", None)
