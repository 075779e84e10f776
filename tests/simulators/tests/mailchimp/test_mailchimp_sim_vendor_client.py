"""The vendor's own Python client works against the simulator."""

from __future__ import annotations

from typing import Any

import mailchimp_marketing
import pytest
from mailchimp_marketing.api_client import ApiClientError
from simulators.mailchimp.identity import subscriber_hash
from simulators.mailchimp.testing import RunningMailchimp, WebhookSink

EMAIL = "ada@example.com"
HASH = subscriber_hash(EMAIL)


@pytest.fixture
def client(mailchimp: RunningMailchimp) -> Any:
    client = mailchimp_marketing.Client()
    client.set_config({"api_key": mailchimp.api_key, "server": "us1"})
    client.api_client.host = mailchimp.base_url
    return client


def test_ping_and_lists(client: Any, mailchimp: RunningMailchimp) -> None:
    assert client.ping.get() == {"health_status": "Everything's Chimpy!"}
    assert {one["id"] for one in client.lists.get_all_lists()["lists"]} == set(mailchimp.lists.values())
    assert client.lists.get_list(mailchimp.list_id)["name"] == "Customers"


def test_the_life_of_a_member(client: Any, mailchimp: RunningMailchimp) -> None:
    lists, list_id = client.lists, mailchimp.list_id
    added = lists.add_list_member(list_id, {"email_address": EMAIL, "status": "subscribed"})
    assert added["id"] == HASH
    body = {"email_address": EMAIL, "status_if_new": "subscribed", "merge_fields": {"FNAME": "Ada"}}
    assert lists.set_list_member(list_id, HASH, body)["merge_fields"]["FNAME"] == "Ada"
    assert lists.update_list_member(list_id, HASH, {"language": "fr"})["language"] == "fr"
    tags = {"tags": [{"name": "Key", "status": "active"}]}
    assert lists.update_list_member_tags(list_id, HASH, tags).status_code == 204
    assert [tag["name"] for tag in lists.get_list_member_tags(list_id, HASH)["tags"]] == ["Key"]
    assert lists.get_list_member(list_id, HASH)["tags_count"] == 1
    assert lists.get_list_members_info(list_id, status="subscribed", count=5)["total_items"] == 1
    assert lists.delete_list_member(list_id, HASH).status_code == 204
    assert lists.delete_list_member_permanent(list_id, HASH).status_code == 204
    with pytest.raises(ApiClientError) as raised:
        lists.get_list_member(list_id, HASH)
    assert raised.value.status_code == 404


def test_a_batch(client: Any, mailchimp: RunningMailchimp) -> None:
    members = [{"email_address": f"p{n}@example.com", "status": "subscribed"} for n in range(3)]
    answer = client.lists.batch_list_members(mailchimp.list_id, {"members": members, "update_existing": True})
    assert answer["total_created"] == 3


def test_an_error_of_the_api_arrives_as_text(client: Any, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.put_members([{"email": EMAIL, "state": "unsubscribed_by_contact"}])
    with pytest.raises(ApiClientError) as raised:
        client.lists.update_list_member(mailchimp.list_id, HASH, {"status": "subscribed"})
    assert raised.value.status_code == 400
    assert "Member In Compliance State" in raised.value.text


def test_merge_fields_interests_and_reports(client: Any, mailchimp: RunningMailchimp) -> None:
    lists, list_id = client.lists, mailchimp.list_id
    made = lists.add_list_merge_field(list_id, {"name": "Agent", "type": "text", "tag": "AGENT"})
    assert lists.get_list_merge_field(list_id, made["merge_id"])["tag"] == "AGENT"
    assert lists.get_list_merge_fields(list_id, count=1000)["total_items"] == 9
    category = lists.create_list_interest_category(list_id, {"title": "Topics", "type": "checkboxes"})
    interest = lists.create_interest_category_interest(list_id, category["id"], {"name": "Steel"})
    assert lists.list_interest_category_interests(list_id, category["id"])["interests"][0] == interest
    campaign = mailchimp.control.add_campaign()
    mailchimp.control.subscribe(EMAIL)
    mailchimp.control.unsubscribe(EMAIL, campaign_id=campaign)
    assert client.reports.get_unsubscribed_list_for_campaign(campaign)["total_items"] == 1
    assert lists.get_list_abuse_reports(list_id)["total_items"] == 0
    assert client.campaigns.list(list_id=list_id)["total_items"] == 2


def test_webhooks(client: Any, mailchimp: RunningMailchimp, webhook_sink: WebhookSink) -> None:
    body = {
        "url": webhook_sink.url,
        "events": {"subscribe": True},
        "sources": {"user": True, "admin": True, "api": True},
    }
    made = client.lists.create_list_webhook(mailchimp.list_id, body)
    client.lists.add_list_member(mailchimp.list_id, {"email_address": EMAIL, "status": "subscribed"})
    mailchimp.control.flush_webhooks()
    assert webhook_sink.types == ["subscribe"]
    assert client.lists.delete_list_webhook(mailchimp.list_id, made["id"]).status_code == 204


def test_an_empty_refusal_is_no_error_for_this_client(client: Any, mailchimp: RunningMailchimp) -> None:
    mailchimp.control.switch(connection_limit=0, connection_limit_answer="empty_429")
    # The client hands out the bare response instead of raising: the reason why this project does not use it.
    assert client.ping.get().status_code == 429
