"""Delivery of webhooks: retries, duplicates, order, time limits and silent disabling."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from simulators.mailchimp.courier import RETRY_DELAYS, SIGNATURE_HEADER
from simulators.mailchimp.plain_client import PlainClient
from simulators.mailchimp.testing import Received, Respond, WebhookSink, running_sink


def subscribe(api: PlainClient, count: int) -> None:
    for number in range(count):
        api.control.subscribe(f"p{number}@example.com")


def who(sink: WebhookSink) -> list[str]:
    return [delivery.form["data[email]"].partition("@")[0] for delivery in sink.deliveries]


def failing(*statuses: int) -> Respond:
    """Answers with each status in turn, and with 200 after the last."""
    left: Iterator[int] = iter(statuses)
    return lambda _: next(left, 200)


def test_the_retries_cover_seventy_five_minutes() -> None:
    assert sum(RETRY_DELAYS) == 75 * 60
    assert list(RETRY_DELAYS) == sorted(RETRY_DELAYS)


def test_events_arrive_once_and_in_order_by_default(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.register(webhook_sink.url)
    subscribe(api, 8)
    assert api.control.flush_webhooks() == 8
    assert who(webhook_sink) == [f"p{number}" for number in range(8)]
    assert {delivery["state"] for delivery in api.control.deliveries()} == {"delivered"}


@pytest.mark.parametrize("hurry", [True, False])
def test_a_failed_delivery_is_tried_again(
    api: PlainClient, webhook_sink: WebhookSink, *, hurry: bool
) -> None:
    api.control.switch(webhook_retry_scale=1.0 if hurry else 0.00001)
    webhook_sink.respond = failing(500, 503)
    api.register(webhook_sink.url)
    subscribe(api, 1)
    api.control.flush_webhooks(hurry=hurry)
    assert len(webhook_sink.deliveries) == 3
    assert len({delivery.body for delivery in webhook_sink.deliveries}) == 1
    delivery = api.control.deliveries()[0]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 503, 200]
    assert delivery["state"] == "delivered"


def test_a_retry_waits_for_its_time(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.control.switch(webhook_retry_scale=1.0)
    webhook_sink.respond = failing(500)
    api.register(webhook_sink.url)
    api.control.subscribe("a@example.com")
    api.control.subscribe("b@example.com")
    # The second one is delivered while the first one waits for five minutes.
    while len(webhook_sink.deliveries) < 2:
        assert api.control.deliveries()[0]["state"] == "pending"
    assert who(webhook_sink) == ["a", "b"]
    api.control.flush_webhooks(hurry=True)
    assert who(webhook_sink) == ["a", "b", "a"]


def test_a_delivery_is_given_up_after_three_retries(api: PlainClient, webhook_sink: WebhookSink) -> None:
    webhook_sink.respond = lambda _: 500
    api.register(webhook_sink.url)
    subscribe(api, 1)
    api.control.flush_webhooks(hurry=True)
    assert len(webhook_sink.deliveries) == 4
    assert api.control.deliveries()[0]["state"] == "failed"


@pytest.mark.parametrize("again", [True, False])
def test_a_retry_may_carry_the_old_signature(
    api: PlainClient, webhook_sink: WebhookSink, *, again: bool
) -> None:
    def fail_once(_: Received) -> int:
        if len(webhook_sink.deliveries) > 1:
            return 200
        api.control.advance_clock(600)
        return 500

    api.control.switch(resign_each_attempt=again)
    webhook_sink.respond = fail_once
    api.register(webhook_sink.url)
    subscribe(api, 1)
    api.control.flush_webhooks(hurry=True)
    first, second = (delivery.headers[SIGNATURE_HEADER] for delivery in webhook_sink.deliveries)
    assert (first != second) is again


def test_gone_disables_a_hook_at_once_and_in_silence(api: PlainClient, webhook_sink: WebhookSink) -> None:
    webhook_sink.respond = lambda _: 410
    hook = api.register(webhook_sink.url)
    subscribe(api, 3)
    api.control.flush_webhooks()
    assert len(webhook_sink.deliveries) == 1
    assert [delivery["state"] for delivery in api.control.deliveries()] == ["failed", "dropped", "dropped"]
    assert api.control.webhooks()[0]["disabled"] == "gone"
    shown = api.get(f"/lists/{{list}}/webhooks/{hook['id']}").json()
    assert shown["events"] == hook["events"]
    assert not any("disabled" in key for key in shown)


def test_a_hook_that_keeps_failing_is_disabled_in_silence(
    api: PlainClient, webhook_sink: WebhookSink
) -> None:
    api.control.switch(webhook_disable_after=6)
    webhook_sink.respond = lambda _: 500
    hook = api.register(webhook_sink.url)
    subscribe(api, 3)
    api.control.flush_webhooks(hurry=True)
    assert len(webhook_sink.deliveries) == 6
    assert api.control.webhooks()[0]["disabled"] == "failing"
    webhook_sink.respond = lambda _: 200
    api.control.subscribe("later@example.com")
    api.control.flush_webhooks()
    assert len(webhook_sink.deliveries) == 6
    # Changing the hook makes the vendor ask the address again, and it answers.
    api.patch(f"/lists/{{list}}/webhooks/{hook['id']}", {"events": {"profile": False}})
    api.control.subscribe("latest@example.com")
    api.control.flush_webhooks()
    assert who(webhook_sink)[-1] == "latest"


def test_a_hook_that_fails_half_of_the_time_stays(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.control.switch(webhook_disable_after=4)
    webhook_sink.respond = failing(500, 500)
    api.register(webhook_sink.url)
    subscribe(api, 2)
    api.control.flush_webhooks(hurry=True)
    assert api.control.webhooks()[0]["disabled"] == ""


def test_a_receiver_that_does_not_answer_is_tried_again(api: PlainClient, webhook_sink: WebhookSink) -> None:
    released = threading.Event()

    def slow_once(_: Received) -> int:
        if len(webhook_sink.deliveries) == 1:
            api.control.switch(webhook_timeout_seconds=30.0)
            released.wait(60)
        return 200

    webhook_sink.respond = slow_once
    api.register(webhook_sink.url)
    api.control.switch(webhook_timeout_seconds=0.3)
    subscribe(api, 1)
    api.control.flush_webhooks(hurry=True)
    released.set()
    attempts = api.control.deliveries()[0]["attempts"]
    assert (attempts[0]["status"], attempts[0]["error"]) == (0, "timeout")
    assert attempts[-1]["status"] == 200


def test_an_address_where_nobody_listens_any_more_is_tried_again(api: PlainClient) -> None:
    with running_sink() as server:
        api.register(server.url)
    subscribe(api, 1)
    api.control.flush_webhooks(hurry=True)
    attempts = api.control.deliveries()[0]["attempts"]
    assert [attempt["error"] for attempt in attempts] == ["ConnectionError"] * 4


def test_duplicates_are_the_same_event(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.control.switch(webhook_duplicate_rate=1.0)
    api.register(webhook_sink.url)
    subscribe(api, 3)
    assert api.control.flush_webhooks() == 6
    bodies = Counter(delivery.body for delivery in webhook_sink.deliveries)
    assert set(bodies.values()) == {2}
    assert sum(delivery["is_duplicate"] for delivery in api.control.deliveries()) == 3


def test_events_can_be_shuffled(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.control.switch(webhook_reorder_window=10)
    api.register(webhook_sink.url)
    subscribe(api, 25)
    api.control.flush_webhooks()
    order = [int(name[1:]) for name in who(webhook_sink)]
    assert sorted(order) == list(range(25))
    assert order != sorted(order)
    # Nothing overtakes more than its window.
    assert sorted(order[:10]) == list(range(10))
    assert sorted(order[10:20]) == list(range(10, 20))


def test_several_connections_can_deliver_at_once(api: PlainClient, webhook_sink: WebhookSink) -> None:
    together = threading.Barrier(3, timeout=120)

    def meet(_: Received) -> int:
        together.wait()
        return 200

    api.control.switch(webhook_connections=3)
    webhook_sink.respond = meet
    api.register(webhook_sink.url)
    subscribe(api, 3)
    api.control.flush_webhooks()
    assert sorted(who(webhook_sink)) == ["p0", "p1", "p2"]


def test_a_reset_drops_what_is_pending(api: PlainClient, webhook_sink: WebhookSink) -> None:
    api.control.switch(webhook_retry_scale=1.0)
    webhook_sink.respond = lambda _: 500
    api.register(webhook_sink.url)
    subscribe(api, 2)
    api.control.reset()
    assert api.control.flush_webhooks() == 0
    assert api.control.webhooks() == []
