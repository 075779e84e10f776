"""The SDK's standard tests of a tap, all of them, for every stream."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings
from simulators.mailchimp.testing import running_mailchimp, running_sink
from singer_sdk.testing import SuiteConfig
from singer_sdk.testing.runners import TapTestRunner
from singer_sdk.testing.suites import tap_stream_attribute_tests, tap_stream_tests, tap_tests
from tap_mailchimp_webhooks.events.delivery import FORM, from_delivery
from tap_mailchimp_webhooks.events.event import STREAM_BY_TYPE
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks

STREAMS = ("contact_events", "campaign_events", "webhooks", "opt_outs", "campaign_results")
SUITE = SuiteConfig(max_records_limit=20)
# Which properties an event has is up to its type: some hold nothing but null here.
ATTRIBUTES = SuiteConfig(max_records_limit=20, ignore_no_records=True)


def fill(url: str) -> None:
    """Put an event of every type into an inbox."""
    inbox = Inbox.open(url, FieldEncryption())
    for event_type in STREAM_BY_TYPE:
        data = {"list_id": "1", "id": "c1", "email": "ada@example.com", "old_email": "old@example.com"}
        fields = {f"data[{name}]": value for name, value in data.items()}
        body = urlencode({"type": event_type, "fired_at": "2026-03-01 12:00:00", **fields}).encode()
        inbox.store([from_delivery(body, FORM, datetime.now(UTC))])
    inbox.database.close()


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TapTestRunner]:
    url = f"sqlite:///{tmp_path_factory.mktemp('sdk') / 'inbox.sqlite3'}"
    fill(url)
    with running_mailchimp() as mailchimp, running_sink() as sink:
        credentials = {"api_key": mailchimp.api_key, "base_url": mailchimp.base_url}
        client = MailchimpClient(MailchimpSettings.from_config(credentials))
        client.create_webhook(mailchimp.list_id, {"url": sink.url})
        for state in ("unsubscribed_by_contact", "cleaned"):
            mailchimp.control.put_members([{"email": f"{state}@example.com", "state": state}])
        mailchimp.control.subscribe("subscribed@example.com")
        campaign = mailchimp.control.add_campaign()
        for act in ("open", "click", "bounce"):
            mailchimp.control.act(act, "subscribed@example.com", campaign_id=campaign)
        config = {**credentials, "inbox_database_url": url}
        catalog = TapMailchimpWebhooks(config=config).catalog
        for entry in catalog.values():
            entry.metadata.root.selected = True
        runner = TapTestRunner(
            TapMailchimpWebhooks, config, SUITE, parse_env_config=False, catalog=catalog.to_dict()
        )
        runner.sync_all()
        yield runner


@pytest.mark.parametrize("test", tap_tests.tests, ids=lambda test: test.name)
def test_the_tap(suite: TapTestRunner, test: Any, capfdbinary: Any) -> None:
    test().run(SUITE, None, suite)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("test", tap_stream_tests.tests, ids=lambda test: test.name)
def test_each_stream(suite: TapTestRunner, test: Any, name: str) -> None:
    assert suite.records[name]
    test().run(SUITE, None, suite, stream=suite.new_tap().streams[name])


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("test", tap_stream_attribute_tests.tests, ids=lambda test: test.name)
def test_each_attribute(suite: TapTestRunner, test: Any, name: str) -> None:
    stream = suite.new_tap().streams[name]
    for attribute, schema in stream.schema["properties"].items():
        if test.evaluate(stream=stream, property_name=attribute, property_schema=schema):
            test().run(ATTRIBUTES, None, suite, stream=stream, attribute_name=attribute)
