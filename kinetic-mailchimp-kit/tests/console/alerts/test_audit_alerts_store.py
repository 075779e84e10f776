"""Once per cause, again after a quiet time, once when it is over: also with several alerters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.console.alerts.conditions import Evaluation
from kinetic_mailchimp.console.alerts.delivery import Delivery, send_due
from kinetic_mailchimp.console.alerts.facts import AlertCondition
from kinetic_mailchimp.console.alerts.messages import Message
from kinetic_mailchimp.console.alerts.store import CLAIM, AlertStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
QUIET = timedelta(hours=12)
MINUTE = timedelta(minutes=1)
BROKEN = AlertCondition(kind="drift", scope="x", what="Both sides differ.", advice="Look.")
BAD = Evaluation((BROKEN,), frozenset({"drift", "receiver"}))
GOOD = Evaluation((), frozenset({"drift", "receiver"}))
BLIND = Evaluation((), frozenset({"receiver"}))


class Channel:
    """Takes messages, or refuses them while it is broken."""

    def __init__(self, name: str = "1 (json)") -> None:
        self.name = name
        self.is_broken = False
        self.messages: list[Message] = []

    def send(self, message: Message) -> bool:
        if not self.is_broken:
            self.messages.append(message)
        return not self.is_broken

    @property
    def titles(self) -> list[str]:
        return [message.title for message in self.messages]


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def store(database: Database) -> AlertStore:
    return AlertStore(database)


@pytest.fixture
def channel() -> Channel:
    return Channel()


def look(
    store: AlertStore, evaluation: Evaluation, channel: Channel, after: timedelta = timedelta()
) -> Delivery:
    return send_due(store, evaluation, [channel], now=NOW + after, quiet=QUIET)


def test_a_condition_is_reported_once_then_after_the_quiet_time_then_when_it_is_over(
    store: AlertStore, channel: Channel
) -> None:
    for minutes in (0, 5, 10):
        look(store, BAD, channel, minutes * MINUTE)
    assert channel.titles == ["Epicor and Mailchimp differ"]
    look(store, BAD, channel, QUIET)
    look(store, BAD, channel, QUIET + MINUTE)
    assert channel.titles[1:] == ["Still: Epicor and Mailchimp differ"]
    look(store, GOOD, channel, QUIET + 2 * MINUTE)
    look(store, GOOD, channel, QUIET + 3 * MINUTE)
    assert channel.titles[2:] == ["Over: Epicor and Mailchimp differ"]
    assert "from 2026-03-01 12:00:00 UTC to 2026-03-02 00:02:00 UTC" in channel.messages[-1].body
    assert store.known() == {}
    look(store, BAD, channel, QUIET + 4 * MINUTE)
    assert channel.titles[3:] == ["Epicor and Mailchimp differ"]


def test_what_was_not_looked_at_is_not_over(store: AlertStore, channel: Channel) -> None:
    look(store, BAD, channel)
    look(store, BLIND, channel, MINUTE)
    assert (len(channel.messages), list(store.known())) == (1, ["drift:x"])


def test_a_look_that_began_before_a_cause_was_seen_does_not_end_it(
    store: AlertStore, channel: Channel
) -> None:
    look(store, BAD, channel, MINUTE)
    look(store, GOOD, channel)
    assert len(channel.messages) == 1


def test_a_message_that_nobody_took_is_sent_at_the_next_look(store: AlertStore, channel: Channel) -> None:
    channel.is_broken = True
    outcome = look(store, BAD, channel)
    assert (len(outcome.unsent), outcome.failed_channels) == (1, ("1 (json)",))
    channel.is_broken = False
    assert len(look(store, BAD, channel, MINUTE).sent) == 1


def test_good_news_that_nobody_took_is_sent_at_the_next_look(store: AlertStore, channel: Channel) -> None:
    look(store, BAD, channel)
    channel.is_broken = True
    look(store, GOOD, channel, MINUTE)
    channel.is_broken = False
    look(store, GOOD, channel, 2 * MINUTE)
    assert channel.titles[1:] == ["Over: Epicor and Mailchimp differ"]


def test_the_end_of_an_unreported_condition_is_not_reported(store: AlertStore, channel: Channel) -> None:
    channel.is_broken = True
    look(store, BAD, channel)
    channel.is_broken = False
    look(store, GOOD, channel, MINUTE)
    assert (channel.messages, store.known()) == ([], {})


def test_one_broken_channel_of_two_is_named_and_the_other_gets_no_repetition(store: AlertStore) -> None:
    channels = [Channel(), Channel("2 (slack)")]
    channels[1].is_broken = True
    outcome = send_due(store, BAD, channels, now=NOW, quiet=QUIET)
    assert (len(outcome.sent), outcome.failed_channels) == (1, ("2 (slack)",))
    send_due(store, BAD, channels, now=NOW + MINUTE, quiet=QUIET)
    assert len(channels[0].messages) == 1


def test_two_alerters_report_once(database: Database, url: str) -> None:
    other = Database(url)
    channel = Channel()
    start = threading.Barrier(2)

    def run(store: AlertStore, evaluation: Evaluation, after: timedelta) -> None:
        start.wait()
        look(store, evaluation, channel, after)

    steps = [(BAD, timedelta()), (BAD, QUIET), (GOOD, QUIET + MINUTE)]
    with ThreadPoolExecutor(2) as pool:
        for evaluation, after in steps:
            both = [pool.submit(run, AlertStore(one), evaluation, after) for one in (database, other)]
            for future in both:
                future.result()
    other.close()
    name = "Epicor and Mailchimp differ"
    assert channel.titles == [name, f"Still: {name}", f"Over: {name}"]


def test_another_alerter_reports_what_a_killed_one_had_claimed(store: AlertStore, channel: Channel) -> None:
    assert len(store.claim(BAD, NOW, QUIET)) == 1
    look(store, BAD, channel, CLAIM - MINUTE)
    assert channel.messages == []
    look(store, BAD, channel, CLAIM)
    assert channel.titles == ["Epicor and Mailchimp differ"]


def test_a_channel_that_breaks_off_leaves_its_messages_to_the_next_look(
    store: AlertStore, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_message: Message) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(channel, "send", interrupt)
        with pytest.raises(KeyboardInterrupt):
            look(store, BAD, channel)
    look(store, BAD, channel, MINUTE)
    assert channel.titles == ["Epicor and Mailchimp differ"]


def test_the_age_counts_from_the_first_evaluation_where_nothing_else_dates_it(
    store: AlertStore, channel: Channel
) -> None:
    look(store, BAD, channel)
    look(store, BAD, channel, QUIET)
    assert "Since: 2026-03-01 12:00:00 UTC" in channel.messages[1].body
