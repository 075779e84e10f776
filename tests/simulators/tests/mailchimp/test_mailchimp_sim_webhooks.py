"""Registering webhooks, and which act fires which event with which data."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

import pytest
from simulators.mailchimp.courier import DELIVERY_AGENT, SIGNATURE_HEADER, VALIDATOR_AGENT
from simulators.mailchimp.plain_client import PlainClient, member_path
from simulators.mailchimp.testing import RunningMailchimp, WebhookSink

EMAIL = "ada@example.com"
HOOKS = "/lists/{list}/webhooks"

Act = Callable[[PlainClient], Any]


def test_the_address_is_asked_before_it_is_registered(api: PlainClient, webhook_sink: WebhookSink) -> None:
    hook = api.register(webhook_sink.url)
    asked = webhook_sink.received[0]
    assert (asked.method, asked.headers["User-Agent"]) == ("GET", VALIDATOR_AGENT)
    assert api.get(HOOKS).json()["webhooks"][0]["id"] == hook["id"]


def test_the_check_of_an_address_may_end_with_an_empty_post(
    api: PlainClient, mailchimp: RunningMailchimp, webhook_sink: WebhookSink
) -> None:
    mailchimp.control.switch(validator_posts=True)
    api.register(webhook_sink.url)
    assert [(asked.method, asked.body) for asked in webhook_sink.received] == [("GET", b""), ("POST", b"")]


def test_an_opt_out_may_bring_an_event_that_nobody_asked_for(
    api: PlainClient, mailchimp: RunningMailchimp, webhook_sink: WebhookSink
) -> None:
    mailchimp.control.switch(sms_events=True)
    api.register(webhook_sink.url)
    mailchimp.control.subscribe(EMAIL)
    mailchimp.control.unsubscribe(EMAIL)
    mailchimp.control.flush_webhooks()
    types = [delivery["type"] for delivery in mailchimp.control.deliveries()]
    assert types == ["subscribe", "unsubscribe", "sms_unsubscribe"]


@pytest.mark.parametrize("status", [204, 302, 403, 500])
def test_an_address_that_does_not_answer_200_is_refused(
    api: PlainClient, webhook_sink: WebhookSink, status: int
) -> None:
    webhook_sink.respond_to_get = lambda _: status
    answer = api.post(HOOKS, {"url": webhook_sink.url})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == (
        f"We couldn't verify the URL is working. Please double check and try again. HTTP Code: {status}"
    )
    assert api.get(HOOKS).json()["total_items"] == 0


def test_an_address_where_nobody_listens_is_refused(api: PlainClient) -> None:
    answer = api.post(HOOKS, {"url": "http://127.0.0.1:9/"})
    assert answer.json()["errors"][0]["message"].endswith("HTTP Code: 0")


@pytest.mark.parametrize("suffix", ["", "?key=1"])
def test_a_list_takes_an_address_once_whatever_its_query(
    api: PlainClient, webhook_sink: WebhookSink, suffix: str
) -> None:
    api.register(webhook_sink.url)
    answer = api.post(HOOKS, {"url": webhook_sink.url + suffix})
    message = "Sorry, you can't set up multiple WebHooks for one URL"
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, message)


def test_the_secret_is_shown_once(api: PlainClient, webhook_sink: WebhookSink) -> None:
    hook = api.register(webhook_sink.url)
    assert (hook["signing_enabled"], len(hook["signing_secret"])) == (True, 32)
    path = f"{HOOKS}/{hook['id']}"
    for shown in (
        api.get(path).json(),
        api.get(HOOKS).json()["webhooks"][0],
        api.patch(path, {"events": {"profile": False}}).json(),
    ):
        assert (shown["signing_enabled"], shown["signing_secret"]) == (True, None)


def test_a_webhook_is_changed_and_deleted(api: PlainClient, webhook_sink: WebhookSink) -> None:
    path = f"{HOOKS}/{api.register(webhook_sink.url)['id']}"
    changed = api.patch(path, {"sources": {"api": False}, "events": {"profile": False}}).json()
    assert changed["sources"] == {"user": True, "admin": True, "api": False}
    assert (changed["events"]["profile"], changed["events"]["subscribe"]) == (False, True)
    assert [request.method for request in webhook_sink.received] == ["GET", "GET"]
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


@pytest.mark.parametrize("omitted", [True, False])
def test_omitted_choices_are_a_switch(api: PlainClient, webhook_sink: WebhookSink, *, omitted: bool) -> None:
    api.control.switch(omitted_events_and_sources=omitted)
    hook = api.post(HOOKS, {"url": webhook_sink.url}).json()
    assert set(hook["events"].values()) == set(hook["sources"].values()) == {omitted}


EVENTS: list[tuple[str, str, Act, list[str]]] = [
    ("user subscribes", "absent", lambda api: api.control.subscribe(EMAIL), ["subscribe"]),
    ("user confirms", "pending", lambda api: api.control.confirm(EMAIL), ["subscribe"]),
    ("user leaves", "subscribed", lambda api: api.control.unsubscribe(EMAIL), ["unsubscribe"]),
    ("admin removes", "subscribed", lambda api: api.control.unsubscribe(EMAIL, by="admin"), ["unsubscribe"]),
    ("user complains", "subscribed", lambda api: api.control.complain(EMAIL), ["unsubscribe"]),
    ("hard bounce", "subscribed", lambda api: api.control.bounce(EMAIL), ["cleaned"]),
    ("soft bounce", "subscribed", lambda api: api.control.bounce(EMAIL, kind="soft"), []),
    (
        "user edits",
        "subscribed",
        lambda api: api.control.edit_profile(EMAIL, merge_fields={"FNAME": "Ada"}),
        ["profile"],
    ),
    ("user edits nothing", "subscribed", lambda api: api.control.edit_profile(EMAIL), []),
    (
        "user moves",
        "subscribed",
        lambda api: api.control.change_address(EMAIL, "b@example.com"),
        ["upemail", "profile"],
    ),
    ("user comes back", "unsubscribed_by_contact", lambda api: api.control.subscribe(EMAIL), ["profile"]),
    ("bounced user comes back", "cleaned", lambda api: api.control.subscribe(EMAIL), ["profile"]),
    ("admin archives", "subscribed", lambda api: api.control.archive(EMAIL), ["unsubscribe"]),
    ("admin deletes", "subscribed", lambda api: api.control.delete_permanently(EMAIL), ["unsubscribe"]),
    ("API adds", "absent", lambda api: api.upsert(EMAIL), ["subscribe"]),
    ("API adds pending", "absent", lambda api: api.upsert(EMAIL, status_if_new="pending"), []),
    ("API adds unsubscribed", "absent", lambda api: api.upsert(EMAIL, status_if_new="unsubscribed"), []),
    ("API changes", "subscribed", lambda api: api.upsert(EMAIL, merge_fields={"FNAME": "A"}), ["profile"]),
    ("API changes nothing", "subscribed", lambda api: api.upsert(EMAIL), []),
    (
        "API tags",
        "subscribed",
        lambda api: api.batch({"email_address": EMAIL, "status_if_new": "subscribed", "tags": ["x"]}),
        [],
    ),
    (
        "API removes",
        "subscribed",
        lambda api: api.patch(member_path(EMAIL), {"status": "unsubscribed"}),
        ["unsubscribe"],
    ),
    ("API archives", "subscribed", lambda api: api.delete(member_path(EMAIL)), ["unsubscribe"]),
    (
        "API moves",
        "subscribed",
        lambda api: api.patch(member_path(EMAIL), {"email_address": "b@example.com"}),
        ["upemail", "profile"],
    ),
]


@pytest.mark.parametrize(
    ("state", "act", "types"), [event[1:] for event in EVENTS], ids=[event[0] for event in EVENTS]
)
def test_each_act_fires_its_events(
    api: PlainClient, webhook_sink: WebhookSink, state: str, act: Act, types: list[str]
) -> None:
    api.control.put_members([{"email": EMAIL, "state": state}])
    api.register(webhook_sink.url)
    act(api)
    api.control.flush_webhooks()
    assert webhook_sink.types == types


SWITCHED: list[tuple[dict[str, Any], str, Act, list[tuple[str, str | None, str | None]]]] = [
    ({}, "subscribed", lambda api: api.control.complain(EMAIL), [("unsubscribe", "unsub", "abuse")]),
    (
        {"complaint_fires": "cleaned"},
        "subscribed",
        lambda api: api.control.complain(EMAIL),
        [("cleaned", None, "abuse")],
    ),
    ({}, "subscribed", lambda api: api.control.archive(EMAIL), [("unsubscribe", "delete", "manual")]),
    (
        {"archive_fires": "unsub"},
        "subscribed",
        lambda api: api.control.archive(EMAIL),
        [("unsubscribe", "unsub", "manual")],
    ),
    ({"archive_fires": "nothing"}, "subscribed", lambda api: api.control.archive(EMAIL), []),
    (
        {"omit_unsubscribe_action": True},
        "subscribed",
        lambda api: api.control.unsubscribe(EMAIL),
        [("unsubscribe", None, "manual")],
    ),
    (
        {"resubscribe_fires": "subscribe"},
        "unsubscribed_by_contact",
        lambda api: api.control.subscribe(EMAIL),
        [("subscribe", None, None)],
    ),
    (
        {"tags_fire_profile": True},
        "subscribed",
        lambda api: api.post(f"{member_path(EMAIL)}/tags", {"tags": [{"name": "x", "status": "active"}]}),
        [("profile", None, None)],
    ),
    (
        {"upemail_before_profile": False},
        "subscribed",
        lambda api: api.control.change_address(EMAIL, "b@example.com"),
        [("profile", None, None), ("upemail", None, None)],
    ),
]


@pytest.mark.parametrize(("switches", "state", "act", "events"), SWITCHED)
def test_unconfirmed_events_are_switches(
    api: PlainClient,
    webhook_sink: WebhookSink,
    switches: dict[str, Any],
    state: str,
    act: Act,
    events: list[tuple[str, str | None, str | None]],
) -> None:
    api.control.switch(**switches)
    api.control.put_members([{"email": EMAIL, "state": state}])
    api.register(webhook_sink.url)
    act(api)
    api.control.flush_webhooks()
    forms = [delivery.form for delivery in webhook_sink.deliveries]
    assert [(form["type"], form.get("data[action]"), form.get("data[reason]")) for form in forms] == events


def test_an_address_that_is_forgotten_shows_no_more(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.control.switch(forgotten_addresses=True)
    api.upsert(EMAIL)
    api.register(webhook_sink.url)
    api.control.delete_permanently(EMAIL)
    api.control.flush_webhooks()
    assert webhook_sink.deliveries[0].form["data[email]"].endswith("@forgotten.mailchimp.com")
    assert api.control.members() == {EMAIL: {"email_address": EMAIL, "state": "forgotten"}}


def test_an_integration_that_writes_need_not_hear_itself(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.register(webhook_sink.url, api=False)
    api.upsert(EMAIL)
    api.control.edit_profile(EMAIL, merge_fields={"FNAME": "Ada"})
    api.control.flush_webhooks()
    assert webhook_sink.types == ["profile"]


def test_the_body_is_a_form_with_bracketed_keys(api: PlainClient, webhook_sink: WebhookSink) -> None:
    address = {"addr1": "1 Straße & Co", "city": "B", "state": "C", "zip": "00000"}
    member = api.upsert(EMAIL, merge_fields={"FNAME": "Zoë=&%", "ADDRESS": address}).json()
    api.register(webhook_sink.url)
    campaign = api.control.add_campaign()
    api.control.unsubscribe(EMAIL, campaign_id=campaign)
    api.control.flush_webhooks()
    assert webhook_sink.types == ["campaign", "unsubscribe"]
    delivery = webhook_sink.deliveries[-1]
    assert delivery.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert delivery.headers["User-Agent"] == DELIVERY_AGENT
    form = delivery.form
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", form.pop("fired_at"))
    expected = {
        "type": "unsubscribe",
        "data[action]": "unsub",
        "data[reason]": "manual",
        "data[id]": member["unique_email_id"],
        "data[email]": EMAIL,
        "data[email_type]": "html",
        "data[web_id]": str(member["web_id"]),
        "data[list_id]": api.list_id,
        "data[campaign_id]": campaign,
        "data[merges][EMAIL]": EMAIL,
        "data[merges][FNAME]": "Zoë=&%",
        "data[merges][LNAME]": "",
        "data[merges][ADDRESS][addr1]": "1 Straße & Co",
        "data[merges][ADDRESS][country]": "US",
    }
    assert expected.items() <= form.items()
    assert form["data[id]"] != member["id"]
    assert not any("tags" in key for key in form)


def test_interests_travel_as_text_and_as_groups(api: PlainClient, webhook_sink: WebhookSink) -> None:
    body = {"title": "Topics", "type": "checkboxes"}
    category = api.post("/lists/{list}/interest-categories", body).json()["id"]
    path = f"/lists/{{list}}/interest-categories/{category}/interests"
    chosen = [api.post(path, {"name": name}).json()["id"] for name in ("Steel", "Wood")]
    api.register(webhook_sink.url)
    api.control.subscribe(EMAIL)
    api.control.edit_profile(EMAIL, interests=chosen)
    api.control.flush_webhooks()
    form = webhook_sink.deliveries[-1].form
    assert form["data[merges][INTERESTS]"] == "Steel, Wood"
    assert form["data[merges][GROUPINGS][0][unique_id]"] == category
    assert form["data[merges][GROUPINGS][0][groups]"] == "Steel, Wood"


def test_upemail_and_cleaned_carry_no_id(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.upsert(EMAIL)
    api.register(webhook_sink.url)
    api.control.change_address(EMAIL, "b@example.com")
    api.control.bounce("b@example.com")
    api.control.flush_webhooks()
    upemail, _, cleaned = (delivery.form for delivery in webhook_sink.deliveries)
    assert (upemail["data[old_email]"], upemail["data[new_email]"]) == (EMAIL, "b@example.com")
    assert upemail["data[new_id]"] == api.member("b@example.com")["unique_email_id"]
    assert (cleaned["data[email]"], cleaned["data[reason]"]) == ("b@example.com", "hard")
    assert "data[id]" not in upemail
    assert "data[id]" not in cleaned


def test_signed_hooks_carry_a_signature_over_time_and_body(
    api: PlainClient, webhook_sink: WebhookSink
) -> None:
    secret = api.register(webhook_sink.url)["signing_secret"]
    api.control.subscribe(EMAIL)
    api.control.flush_webhooks()
    delivery = webhook_sink.deliveries[0]
    match = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", delivery.headers[SIGNATURE_HEADER])
    assert match is not None
    message = match[1].encode() + b"." + delivery.body
    assert hmac.new(secret.encode(), message, hashlib.sha256).hexdigest() == match[2]


def test_hooks_from_before_signing_stay_unsigned(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.control.switch(sign_new_webhooks=False)
    hook = api.register(webhook_sink.url)
    assert (hook["signing_enabled"], hook["signing_secret"]) == (False, None)
    api.control.switch(sign_new_webhooks=True)
    api.control.subscribe(EMAIL)
    api.control.flush_webhooks()
    assert SIGNATURE_HEADER not in webhook_sink.deliveries[0].headers
