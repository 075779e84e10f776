"""The calls against the simulator."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConfigurationError,
    CredentialsError,
    NotFoundError,
)
from kinetic_mailchimp.kit.http.retry import RetryPolicy
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings, RefusedError, subscriber_hash
from kinetic_mailchimp.mailchimp.members_walk import SeenKeys, walk_members
from simulators.mailchimp.testing import RunningMailchimp, StartMailchimp

ANN = "ann@example.com"


def client_of(mailchimp: RunningMailchimp, **options: Any) -> MailchimpClient:
    connections = options.pop("max_connections", 8)
    settings = MailchimpSettings.from_config(
        {"api_key": mailchimp.api_key, "base_url": mailchimp.base_url}, max_connections=connections
    )
    return MailchimpClient(settings, sleep=lambda _: None, **options)


@pytest.fixture
def mailchimp(start_mailchimp: StartMailchimp) -> RunningMailchimp:
    return start_mailchimp()


@pytest.fixture
def client(mailchimp: RunningMailchimp) -> MailchimpClient:
    return client_of(mailchimp)


def test_the_account_and_its_audiences_are_read(client: MailchimpClient, mailchimp: RunningMailchimp) -> None:
    assert client.get("ping")["health_status"] == "Everything's Chimpy!"
    assert {found["id"] for found in client.lists()} == set(mailchimp.lists.values())
    assert client.account()["account_name"]
    assert client.server_time().tzinfo is not None


def test_more_merge_fields_than_the_default_page_are_read(
    client: MailchimpClient, mailchimp: RunningMailchimp
) -> None:
    for number in range(6):
        client.create_merge_field(
            mailchimp.list_id, {"tag": f"EXTRA{number}", "name": f"Extra {number}", "type": "text"}
        )
    assert len(client.merge_fields(mailchimp.list_id)) == 14


def test_results_of_a_batch_are_found_by_member(client: MailchimpClient, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.put_members([{"email": "Old@example.com", "state": "subscribed"}])
    sent = [
        {"email_address": address, "status_if_new": "subscribed"}
        for address in (ANN, "OLD@example.com", "nobody")
    ]
    items = client.upsert_members(mailchimp.list_id, sent).items
    assert items[subscriber_hash(ANN)].outcome == "created"
    assert items[subscriber_hash("old@example.com")].outcome == "updated"
    refused = items[subscriber_hash("nobody")]
    assert (refused.outcome, type(refused.error)) == ("refused", RefusedError)


def test_a_batch_whose_answer_was_lost_is_sent_again(
    client: MailchimpClient, mailchimp: RunningMailchimp
) -> None:
    mailchimp.control.set_faults(
        [{"match": {"method": "POST", "count": 1}, "effect": {"kind": "reset", "applied": True}}]
    )
    result = client.upsert_members(mailchimp.list_id, [{"email_address": ANN, "status_if_new": "subscribed"}])
    assert result.items[subscriber_hash(ANN)].outcome == "updated"
    assert len(mailchimp.control.members()) == 1


@pytest.mark.rule("R4")
def test_a_batch_that_only_creates_is_not_sent_twice(
    client: MailchimpClient, mailchimp: RunningMailchimp
) -> None:
    mailchimp.control.set_faults(
        [{"match": {"method": "POST", "count": 1}, "effect": {"kind": "reset", "applied": True}}]
    )
    with pytest.raises(AmbiguousWriteError):
        client.upsert_members(
            mailchimp.list_id, [{"email_address": ANN, "status_if_new": "subscribed"}], update_existing=False
        )


def test_a_member_is_written_moved_tagged_and_archived(
    client: MailchimpClient, mailchimp: RunningMailchimp
) -> None:
    key, list_id = subscriber_hash(ANN), mailchimp.list_id
    made = client.put_member(list_id, key, {"email_address": ANN, "status_if_new": "subscribed"})
    client.patch_member(list_id, key, {"merge_fields": {"FNAME": "Ann"}})
    client.set_tags(list_id, key, {"One": True, "Two": True})
    client.set_tags(list_id, key, {"Two": False})
    moved = client.patch_member(list_id, key, {"email_address": "anna@example.com"})
    assert moved.document["contact_id"] == made.document["contact_id"]
    with pytest.raises(NotFoundError):
        client.member(list_id, key)
    member = client.member(list_id, subscriber_hash("anna@example.com"))
    assert [tag["name"] for tag in member["tags"]] == ["One"]
    archived = client.archive_member(list_id, subscriber_hash("anna@example.com"))
    calls = (made.call, moved.call, archived)
    assert [call.status for call in calls] == [200, 200, 204]
    assert len({call.request_id for call in calls} - {None}) == 3
    assert all(call.seconds and call.seconds > 0 for call in calls)
    assert [found["email_address"] for found in client.members(list_id, status="archived")] == [
        "anna@example.com"
    ]
    assert list(client.members(list_id)) == []


def test_webhooks_are_registered_changed_and_removed(
    client: MailchimpClient, mailchimp: RunningMailchimp, webhook_sink: Any
) -> None:
    events = {"subscribe": True, "unsubscribe": True}
    made = client.create_webhook(
        mailchimp.list_id, {"url": webhook_sink.url, "events": events, "sources": {"user": True}}
    )
    assert made["signing_secret"]
    client.update_webhook(mailchimp.list_id, made["id"], {"events": {"unsubscribe": False}})
    [found] = client.webhooks(mailchimp.list_id)
    assert found["events"]["unsubscribe"] is False
    client.delete_webhook(mailchimp.list_id, made["id"])
    assert client.webhooks(mailchimp.list_id) == []


def test_a_wrong_key_is_reported_once_and_not_retried(mailchimp: RunningMailchimp) -> None:
    settings = MailchimpSettings.from_config({"api_key": "wrong-us1", "base_url": mailchimp.base_url})
    client = MailchimpClient(settings)
    with pytest.raises(CredentialsError):
        client.get("ping")
    assert client.transport.calls["GET"] == 1


def test_an_unknown_audience_is_named(client: MailchimpClient) -> None:
    with pytest.raises(ConfigurationError, match="nothere"):
        client.get("lists/nothere")


def test_a_token_finds_its_account(mailchimp: RunningMailchimp) -> None:
    settings = MailchimpSettings.from_config(
        {"access_token": "unknown", "metadata_url": mailchimp.hello["metadata_url"]}
    )
    with pytest.raises(CredentialsError, match="access_token"):
        MailchimpClient(settings).get("ping")


@pytest.mark.parametrize("limit_answer", ["json", "empty_429", "empty_403"])
def test_connections_stay_within_the_limit(start_mailchimp: StartMailchimp, limit_answer: str) -> None:
    mailchimp = start_mailchimp(connection_limit_answer=limit_answer)
    mailchimp.control.set_faults([{"effect": {"kind": "latency", "seconds": 0.05}}])
    client = client_of(mailchimp, max_connections=10)
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(lambda _: client.get("ping"), range(60)))
    seen = mailchimp.control.connections()
    assert (seen["most"], seen["refused"]) == (10, 0)


@pytest.mark.parametrize("limit_answer", ["json", "empty_429", "empty_403"])
def test_a_storm_of_429_is_ridden_out(start_mailchimp: StartMailchimp, limit_answer: str) -> None:
    mailchimp = start_mailchimp(connection_limit_answer=limit_answer, connection_limit=2)
    mailchimp.control.set_faults([{"effect": {"kind": "latency", "seconds": 0.01}}])
    client = client_of(mailchimp, max_connections=6, retry=RetryPolicy(max_attempts=200))
    with ThreadPoolExecutor(6) as pool:
        assert len(list(pool.map(lambda _: client.get("ping"), range(30)))) == 30
    assert mailchimp.control.connections()["refused"] > 0


def _moving_audience(
    count: int, per_second: int
) -> tuple[dict[str, int], Callable[..., list[dict[str, Any]]]]:
    """Members that changed at some second, and a listing of them as Mailchimp gives it."""
    changed = {f"m{number}": number // per_second for number in range(count)}

    def page(params: Any) -> list[dict[str, Any]]:
        since = params.get("since_last_changed")
        rows = sorted(changed.items(), key=lambda row: (row[1], row[0]))
        stamped = [(name, f"2026-01-01T00:{at // 60:02d}:{at % 60:02d}+00:00") for name, at in rows]
        kept = [row for row in stamped if since is None or row[1] > since]
        chosen = kept[params["offset"] : params["offset"] + params["count"]]
        return [
            {"id": name, "email_address": f"{name}@example.com", "last_changed": at} for name, at in chosen
        ]

    return changed, page


@pytest.mark.rule("R5")
@pytest.mark.parametrize("per_second", [1, 7, 50, 400])
def test_a_walk_misses_nobody_while_members_change(per_second: int) -> None:
    changed, page = _moving_audience(300, per_second)
    seen = []
    for number, member in enumerate(walk_members(page, fields=(), page_size=20, filters={})):
        seen.append(member["id"])
        if number % 10 == 0 and number < 200:
            # Somebody who was read already changes, and moves to the end.
            changed[member["id"]] = 3000 + number
    assert sorted(seen) == sorted(changed)


def test_the_keys_of_a_walk_are_known_again_and_take_little_memory() -> None:
    seen = SeenKeys()
    keys = [f"m{number}" for number in range(50_000)]
    tracemalloc.start()
    assert all(map(seen.add, keys))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not any(map(seen.add, keys))
    assert seen.add("another")
    assert most / len(keys) < 50  # a set takes 60 beside the keys themselves


def test_an_empty_page_alone_ends_a_listing(client: MailchimpClient, mailchimp: RunningMailchimp) -> None:
    control, list_id = mailchimp.control, mailchimp.list_id
    people = [{"email": f"p{number}@example.com", "state": "unsubscribed_by_admin"} for number in range(7)]
    control.put_members([*people, *({**one, "state": "archived"} for one in ({"email": ANN},))])
    for number in range(3):
        control.complain(f"p{number}@example.com")
    control.switch(largest_page=2, total_items="page")
    assert len({member["id"] for member in client.members(list_id, page_size=5)}) == 7
    assert [member["email_address"] for member in client.members(list_id, status="archived")] == [ANN]
    assert len(list(client.lists())) == 3
    assert len(client.merge_fields(list_id)) == 8
    assert len(list(client.abuse_reports(list_id))) == 3


def test_a_listing_whose_rows_differ_with_every_look_ends(
    client: MailchimpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = itertools.count()

    def get(_path: str, *, offset: int, **_: object) -> dict[str, object]:
        look = next(looks)
        assert look < 100
        rows = [{"id": number, "opens": look} for number in range(1, 8)]
        return {"reports": rows[offset : offset + 3]}

    monkeypatch.setattr(client, "get", get)
    assert {row["id"] for row in client._all("reports", "reports", "id")} == set(range(1, 8))


def test_a_listing_without_pages_is_read_once(
    client: MailchimpClient, mailchimp: RunningMailchimp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MailchimpClient, "get", lambda *_, **__: {"merge_fields": [{"tag": "FNAME"}]})
    assert client.merge_fields(mailchimp.list_id) == [{"tag": "FNAME"}]


@pytest.mark.parametrize("form", ["absent", "null", "empty"])
def test_contacts_without_an_address_are_passed_over_and_counted(
    client: MailchimpClient, mailchimp: RunningMailchimp, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    mailchimp.control.put_members([{"email": ANN, "state": "subscribed"}])
    mailchimp.control.switch(contacts_without_address=form)
    assert [member["email_address"] for member in client.members(mailchimp.list_id)] == [ANN]
    assert "Contacts without an e-mail address, passed over: 2." in caplog.text


def test_results_of_a_batch_are_found_by_address_where_the_id_is_another(
    client: MailchimpClient, mailchimp: RunningMailchimp
) -> None:
    mailchimp.control.switch(member_ids="other")
    result = client.upsert_members(
        mailchimp.list_id, [{"email_address": "Ann@Example.com", "status_if_new": "subscribed"}]
    )
    assert result.items[subscriber_hash(ANN)].outcome == "created"
