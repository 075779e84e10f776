"""The stream of campaign results: each recipient, then only what is new; no campaign waits for another."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings, subscriber_hash
from simulators.mailchimp.testing import RunningMailchimp
from tap_mailchimp_webhooks.streams.campaign_reports import result_record
from tap_mailchimp_webhooks.tap import TapMailchimpWebhooks

pytestmark = pytest.mark.usefixtures("handlers")

PEOPLE = [f"person{number}@example.com" for number in range(5)]
RESULTS = "campaign_results"
Message = dict[str, Any]


@dataclass
class Poller:
    """Runs the tap with this stream alone, each time from the state of the last run."""

    mailchimp: RunningMailchimp
    inbox_file: Path
    capture: pytest.CaptureFixture[str]
    state: Message = field(default_factory=dict)

    def config(self, **settings: Any) -> Message:
        config = {
            "api_key": self.mailchimp.api_key,
            "base_url": self.mailchimp.base_url,
            "inbox_database_url": f"sqlite:///{self.inbox_file}",
            "catch_up": False,
            **settings,
        }
        return {name: value for name, value in config.items() if value is not None}

    def run(self, **settings: Any) -> list[Message]:
        """Run it; its records."""
        config = self.config(**settings)
        catalog = TapMailchimpWebhooks(config=config).catalog
        for name, entry in catalog.items():
            entry.metadata.root.selected = name == RESULTS
        self.capture.readouterr()
        self.mailchimp.control.clear_requests()
        failure = None
        try:
            TapMailchimpWebhooks(config=config, catalog=catalog.to_dict(), state=self.state).sync_all()
        except ConnectorError as error:
            failure = error
        messages = [json.loads(line) for line in self.capture.readouterr().out.splitlines()]
        self.state = next((m["value"] for m in reversed(messages) if m["type"] == "STATE"), self.state)
        self.records = [m["record"] for m in messages if m["type"] == "RECORD"]
        if failure:
            raise failure
        return self.records

    def paths(self) -> list[str]:
        """The paths that the last run asked for."""
        return [request["path"] for request in self.mailchimp.control.requests()]

    def act(self, action: str, person: str, campaign: str, **details: Any) -> None:
        self.mailchimp.control.act(action, person, campaign_id=campaign, **details)


@pytest.fixture
def poller(mailchimp: RunningMailchimp, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Poller:
    for person in PEOPLE:
        mailchimp.control.subscribe(person)
    return Poller(mailchimp, tmp_path / "inbox.sqlite3", capsys)


def test_each_recipient_is_a_record_with_counts_and_last_times(poller: Poller) -> None:
    control = poller.mailchimp.control
    campaign = control.add_campaign(subject="Pumps")
    control.subscribe("later@example.com")
    for action in ("open", "open", "click"):
        control.advance_clock(60)
        poller.act(action, PEOPLE[0], campaign)
    poller.act("bounce", PEOPLE[1], campaign, kind="soft")
    poller.act("bounce", PEOPLE[2], campaign)
    poller.act("open", PEOPLE[3], "another")

    found = {record["email"]: record for record in poller.run()}

    assert set(found) == set(PEOPLE)
    record = found[PEOPLE[0]]
    assert (record["opens"], record["clicks"], record["bounce"]) == (2, 1, None)
    assert record["sent_at"] < record["last_open_at"] < record["last_click_at"]
    assert (record["campaign_id"], record["campaign_title"]) == (campaign, "Pumps")
    assert record["list_id"] == poller.mailchimp.list_id
    assert [found[person]["bounce"] for person in PEOPLE[1:4]] == ["soft", "hard", None]
    assert found[PEOPLE[2]]["bounced_at"] is not None
    assert found[PEOPLE[3]]["opens"] == 0
    assert len({record["result_id"] for record in found.values()}) == len(PEOPLE)


def test_a_listing_ends_with_an_empty_page(poller: Poller) -> None:
    poller.mailchimp.control.add_campaign()
    poller.mailchimp.control.switch(largest_page=2, total_items="page")
    assert [record["email"] for record in poller.run()] == PEOPLE
    assert poller.mailchimp.control.connections()["most"] == 1


@pytest.mark.rule("R8")
def test_without_news_no_campaign_is_read_again_and_news_bring_only_their_people(poller: Poller) -> None:
    control = poller.mailchimp.control
    campaign = control.add_campaign()
    assert len(poller.run()) == len(PEOPLE)
    assert poller.run() == []
    assert poller.run() == []
    assert not [path for path in poller.paths() if "email-activity" in path]

    control.advance_clock(7200)
    poller.act("open", PEOPLE[3], campaign)
    assert [(record["email"], record["opens"]) for record in poller.run()] == [(PEOPLE[3], 1)]
    second = control.add_campaign()
    assert {record["campaign_id"] for record in poller.run()} == {second}
    assert poller.run() == []


def test_while_a_campaign_is_being_sent_every_recipient_comes(poller: Poller) -> None:
    campaign = poller.mailchimp.control.add_campaign()
    fault = {"kind": "rewrite", "pattern": '"emails_sent":5', "text": '"emails_sent":2'}
    poller.mailchimp.control.set_faults([{"match": {"path": "/reports$"}, "effect": fault}])
    poller.run()
    poller.mailchimp.control.clear_faults()
    assert len(poller.run()) == len(PEOPLE)
    assert poller.state["bookmarks"][RESULTS]["campaigns"][campaign]["sent"] == len(PEOPLE)


def test_a_campaign_that_cannot_be_read_costs_no_other_and_comes_with_the_next_run(poller: Poller) -> None:
    control = poller.mailchimp.control
    broken, whole = control.add_campaign(), control.add_campaign()
    refusal = {
        "kind": "answer",
        "status": 400,
        "text": '{"title": "Bad Request", "status": 400, "detail": "No."}',
    }
    control.set_faults([{"match": {"path": f"{broken}/email-activity"}, "effect": refusal}])
    with pytest.raises(ConnectorError):
        poller.run()
    assert {record["campaign_id"] for record in poller.records} == {whole}
    control.clear_faults()
    assert {record["campaign_id"] for record in poller.run()} == {broken}


def test_a_campaign_that_was_deleted_is_passed_over(poller: Poller, caplog: pytest.LogCaptureFixture) -> None:
    control = poller.mailchimp.control
    gone, whole = control.add_campaign(), control.add_campaign()
    missing = {"kind": "answer", "status": 404, "text": '{"title": "Resource Not Found", "status": 404}'}
    control.set_faults([{"match": {"path": f"{gone}/email-activity"}, "effect": missing}])
    assert {record["campaign_id"] for record in poller.run()} == {whole}
    assert "deleted" in caplog.text


@pytest.mark.rule("R5")
@pytest.mark.parametrize("at", [2, 3, 4])
def test_a_recipient_who_is_deleted_between_two_pages_hides_no_other(poller: Poller, at: int) -> None:
    control = poller.mailchimp.control
    campaign = control.add_campaign()
    control.switch(largest_page=2)
    client = MailchimpClient(MailchimpSettings.from_config(poller.config()))
    recipients = client.email_activity(campaign)
    found = [next(recipients)["email_address"] for _ in range(at)]
    client.delete_member_permanently(poller.mailchimp.list_id, subscriber_hash(PEOPLE[0]))
    client.delete_member_permanently(poller.mailchimp.list_id, subscriber_hash(PEOPLE[at - 1]))
    assert {*found, *(one["email_address"] for one in recipients)} == set(PEOPLE)
    client.close()


def test_what_breaks_in_the_midst_of_a_report_is_tried_again(poller: Poller) -> None:
    poller.mailchimp.control.add_campaign()
    poller.mailchimp.control.switch(largest_page=2)
    poller.mailchimp.control.set_faults(
        [
            {"match": {"path": "email-activity", "nth": nth}, "effect": {"kind": "status", "status": status}}
            for nth, status in ((2, 429), (4, 503))
        ]
    )
    assert [record["email"] for record in poller.run()] == PEOPLE


def test_a_campaign_that_was_never_sent_is_passed_over(
    poller: Poller, caplog: pytest.LogCaptureFixture
) -> None:
    poller.mailchimp.control.add_campaign()
    fault = {"kind": "rewrite", "pattern": '"send_time":"[^"]*"', "text": '"send_time":""'}
    poller.mailchimp.control.set_faults([{"match": {"path": "/reports$"}, "effect": fault}])
    assert poller.run() == []
    assert "has no time of sending" in caplog.text


def test_recipients_without_an_address_are_passed_over_and_counted(
    poller: Poller, caplog: pytest.LogCaptureFixture
) -> None:
    poller.mailchimp.control.add_campaign()
    fault = {"kind": "rewrite", "pattern": f'"email_address":"{PEOPLE[1]}"', "text": '"email_address":null'}
    poller.mailchimp.control.set_faults([{"match": {"path": "email-activity"}, "effect": fault}])
    with caplog.at_level(logging.WARNING):
        assert [record["email"] for record in poller.run()] == [PEOPLE[0], *PEOPLE[2:]]
    assert "passed over: 1." in caplog.text
    assert PEOPLE[1] not in caplog.text


def test_only_campaigns_of_the_last_days_are_read_and_remembered(poller: Poller) -> None:
    control = poller.mailchimp.control
    old = control.add_campaign()
    assert old in {record["campaign_id"] for record in poller.run()}
    control.advance_clock(8 * 86_400)
    recent = control.add_campaign()
    poller.act("open", PEOPLE[0], old)
    assert {record["campaign_id"] for record in poller.run(campaign_results_days=7)} == {recent}
    assert set(poller.state["bookmarks"][RESULTS]["campaigns"]) == {recent}


def test_only_the_audiences_that_are_named_are_read(poller: Poller) -> None:
    poller.mailchimp.control.add_campaign()
    assert poller.run(list_ids=["another"]) == []


def test_it_is_off_unless_selected_and_needs_credentials(poller: Poller) -> None:
    poller.mailchimp.control.clear_requests()
    tap = TapMailchimpWebhooks(config=poller.config())
    assert not tap.streams[RESULTS].selected
    tap.sync_all()
    assert not [path for path in poller.paths() if "reports" in path]
    with pytest.raises(ConfigurationError, match="campaign_results"):
        poller.run(api_key=None)


@pytest.mark.parametrize("activity", [None, "open", [None, 1], [{"action": "open", "timestamp": "never"}]])
def test_odd_activity_of_a_member_is_no_error(activity: Any) -> None:
    report = {"id": "c1", "send_time": "2026-03-01T11:00:00+00:00"}
    record = result_record(report, {"email_address": "ada@example.com", "activity": activity})
    assert record is not None
    assert record["last_open_at"] is None
