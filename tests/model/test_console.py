"""The pages about what both pipelines did between both simulators: error desk, data quality, evidence."""

from __future__ import annotations

import copy
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import requests
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.dead_letters.replay import replay_to
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.audit.privacy.erasure import erase
from kinetic_mailchimp.audit.privacy.retention import prune
from kinetic_mailchimp.audit.reading.evidence import check
from kinetic_mailchimp.audit.reading.reports.evidence_document import read_facts
from kinetic_mailchimp.console.pages.app import create_app
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.mailchimp import subscriber_hash
from pipelines import FORWARD
from simulators.common.serve import serve_in_thread
from world import World, customer, source_key

USER = {"X-Forwarded-User": "night-shift"}


@dataclass
class Desk:
    """A visitor whom a proxy names, at the pages of a world."""

    world: World
    trail: AuditTrail
    url: str

    def get(self, path: str) -> str:
        answer = requests.get(self.url + path, headers=USER, timeout=60)
        answer.raise_for_status()
        return answer.text.removeprefix("\ufeff")

    def post(self, path: str, **form: str) -> str:
        token = re.search(r'name="form_token" value="(\w+)"', self.get("/people"))
        assert token
        form["form_token"] = token[1]
        answer = requests.post(self.url + path, data=form, headers=USER, timeout=60)
        answer.raise_for_status()
        return answer.text

    def replay(self) -> None:
        """Send what is open through the target, as `sync-audit replay --into` does."""
        messages = io.StringIO()
        replay_to(self.trail, messages)
        self.world.load(FORWARD, messages.getvalue().splitlines(keepends=True))
        replay_to(self.trail, io.StringIO())


@pytest.fixture
def desk(world: World) -> Iterator[Desk]:
    clock = world.vendors.clock
    with AuditTrail.open(
        f"sqlite:///{world.audit}", clock=lambda: datetime.fromtimestamp(clock.now, UTC)
    ) as trail:
        app = create_app(trail, PagesSettings(user_header="X-Forwarded-User"))
        with serve_in_thread(lambda _: (app, {})) as running:
            yield Desk(world, trail, running.url)


@pytest.mark.rule("R1")
@pytest.mark.rule("R6")
def test_a_refused_address_is_corrected_and_sent_and_an_invalid_one_closed(desk: Desk) -> None:
    world = desk.world
    world.targets["forward"] = {"on_invalid": "dead_letter"}
    world.person(1, "test@test.com", "Ada")  # a fake to Mailchimp
    world.person(2, "PURCHASING")
    world.forward()
    invalid, refused = (
        f"{row['run_id']}/{row['seq']}" for row in world.dead_letters() if row["stream"] == "members"
    )
    assert "Mailchimp holds the address for made up." in desk.get(f"/failures/{refused}")
    corrected = desk.post(f"/failures/{refused}/correct", **{"set.email_address": "ada@lovelace.example"})
    assert "Corrected by night-shift." in corrected
    assert world.member("ada@lovelace.example") is None
    closed = desk.post(f"/failures/{invalid}/close", because="A mailbox of nobody.")
    assert "Closed by night-shift: A mailbox of nobody." in closed
    desk.replay()
    assert world.status("ada@lovelace.example") == "subscribed"
    assert world.status("test@test.com") == "none"
    assert world.row(customer(1))["EMailAddress"] == "test@test.com"
    states = world.query("SELECT state FROM dead_letters WHERE stream = 'members' ORDER BY run_id, seq")
    assert [row["state"] for row in states] == ["closed", "corrected", "resolved"]
    assert verify(desk.trail).problems == ()


def quality(desk: Desk) -> dict[tuple[str, str], tuple[str, str]]:
    """Row and flaw → sales rep and change, as the CSV of the page has them."""
    rows = csv.DictReader(io.StringIO(desk.get("/quality.csv")))
    return {(row["row"], row["kind"]): (row["rep"], row["change"]) for row in rows}


def test_who_cannot_be_mailed_is_listed_by_rep_with_what_changed(desk: Desk) -> None:
    world = desk.world
    for number, (address, rep) in enumerate(
        [
            ("", "REP1"),
            ("PURCHASING", "REP1"),
            ("ann@analytical.example; bob@analytical.example", "REP2"),
            ("test@test.com", "REP2"),
            ("shared@analytical.example", "REP1"),
            ("Shared@analytical.example", "REP2"),
            ("bounces@analytical.example", "REP2"),
            ("fine@analytical.example", "REP2"),
        ],
        start=1,
    ):
        world.person(number, address, SalesRepCode=rep)
    world.forward()
    world.bounce("bounces@analytical.example")
    world.forward()
    row = {number: source_key(customer(number)) for number in range(1, 9)}
    found = {
        (row[1], "no_address"): ("REP1", "new"),
        (row[2], "bad_address"): ("REP1", "new"),
        (row[3], "several_addresses"): ("REP2", "new"),
        (row[4], "bad_address"): ("REP2", "new"),
        (row[5], "duplicate"): ("REP1", "new"),
        (row[6], "duplicate"): ("REP2", "new"),
        (row[7], "bounced"): ("REP2", "new"),
    }
    assert quality(desk) == found
    world.wait(31 * 24 * 60)
    world.correct(2, "purchasing@analytical.example")
    world.correct(6, "alone@analytical.example")
    world.correct(7, "new@analytical.example")
    world.edit(customer(8), EMailAddress="")
    world.forward()
    found = {key: (rep, "") for key, (rep, _) in found.items()}
    for gone in ((row[2], "bad_address"), (row[5], "duplicate"), (row[6], "duplicate"), (row[7], "bounced")):
        found[gone] = (found[gone][0], "gone")
    assert quality(desk) == {**found, (row[8], "no_address"): ("REP2", "new")}
    page = desk.get("/quality?rep=REP1")
    assert row[1] in page
    assert row[3] not in page
    before = world.query("SELECT * FROM ledger_entries WHERE namespace LIKE '%quality'")
    world.forward()
    assert world.query("SELECT * FROM ledger_entries WHERE namespace LIKE '%quality'") == before
    world.wait(100 * 24 * 60)
    world.edit(customer(4), Name="Test")
    world.forward()
    left = {key.partition("/")[2] for key, _ in desk.trail.ledger("target-mailchimp/quality").items()}
    assert f"members/{row[5]}" not in left


@pytest.mark.rule("R6")
def test_an_erasure_takes_a_person_out_of_the_list(desk: Desk) -> None:
    world = desk.world
    world.person(1, "bounces@analytical.example")
    world.person(2, "ann@analytical.example; bob@analytical.example")
    world.forward()
    world.bounce("bounces@analytical.example")
    world.forward()
    assert len(quality(desk)) == 2
    erase(desk.trail, "bounces@analytical.example", vendor_hash=subscriber_hash)
    erase(desk.trail, "bob@analytical.example", vendor_hash=subscriber_hash)
    assert quality(desk) == {}


@pytest.mark.rule("R6")
def test_the_evidence_of_consent_stands_after_retention_and_erasure(desk: Desk) -> None:
    world, ada = desk.world, "ada@lovelace.example"
    world.signed = True
    world.person(1, ada, "Ada")
    world.forward()
    world.leave(ada)
    world.deliver()
    world.reverse()
    path = f"/people/{desk.trail.person(ada).hex()}"
    assert f"{path}/evidence.html" in desk.get(path)
    document = desk.get(f"{path}/evidence.html")
    shown = document[: document.index("<script")]
    for told in (ada, "created", "flagged", "unsubscribed", "NoContact", "Mailchimp, by an event"):
        assert told in shown
    facts = read_facts(document)
    assert [one.is_good for one in check(desk.trail, facts)] == [True] * (len(facts["entries"]) + 1)
    assert len(facts["entries"]) >= 4
    world.wait(800 * 24 * 60)
    prune(desk.trail, timedelta(days=730))
    held = {one.what for one in check(desk.trail, facts)}
    assert (
        "past its retention: its own digests alone speak for it" in held
    )  # the opt-in: no proof of an opt-out
    assert "in the trail, as it is here" in held
    erase(desk.trail, ada, vendor_hash=subscriber_hash)
    checks = check(desk.trail, facts)
    assert all(one.is_good for one in checks)
    assert "in the trail, which has erased the personal data since" in {one.what for one in checks}
    left = desk.get(f"{path}/evidence.html")
    assert "a person whose data was erased" in left
    assert not re.search(r"\bada\b|lovelace", left, re.IGNORECASE)  # a digest may hold these letters
    number = next(n for n, entry in enumerate(facts["entries"]) if "unsubscribed" in entry["public"])
    for part, old, new in (
        ("public", "unsubscribed", "subscribed"),
        ("private", ada, "eve@example.com"),
        ("digest", "", "00" * 32),
    ):
        forged = copy.deepcopy(facts)
        entry = forged["entries"][number]
        entry[part] = new if part == "digest" else [new if value == old else value for value in entry[part]]
        assert not all(one.is_good for one in check(desk.trail, forged)), part
    with AuditTrail.open(f"sqlite:///{world.folder}/other.sqlite3") as other:
        assert not any(one.is_good for one in check(other, facts))


@pytest.mark.rule("R6")
@pytest.mark.parametrize("signed", [True, False])
def test_the_evidence_has_what_mailchimp_said_and_who_told_it(desk: Desk, *, signed: bool) -> None:
    world = desk.world
    world.signed = signed
    there = {"ada": "192.0.2.1", "bob": "192.0.2.2", "eve": "192.0.2.3"}
    for number, (name, ip) in enumerate(there.items(), start=1):
        address = f"{name}@analytical.example"
        world.join(address)
        member = world.member(address)
        assert member
        world.vendors.audience(world.vendors.main).members[subscriber_hash(address)] = replace(
            member, ip_signup=ip, ip_opt=ip
        )
        world.person(number, address, name)
    world.lose()
    world.forward()
    world.leave("ada@analytical.example", reason="Too many mails")
    world.deliver()
    world.leave("bob@analytical.example", reason="Wrong person")
    world.lose()
    world.reverse()

    def shown(name: str) -> str:
        digest = desk.trail.person(f"{name}@analytical.example").hex()
        return desk.get(f"/people/{digest}/evidence.html").partition("<script")[0]

    for name, ip in there.items():
        for told in ("Mailchimp&#x27;s list of members", "Signed up", "Hosted Signup Form", ip):
            assert told in shown(name)
    by_webhook = "a webhook of Mailchimp, " + ("its signature checked" if signed else "not signed")
    assert by_webhook in shown("ada")
    assert "Mailchimp, asked for what no webhook told" in shown("bob")
    assert "Wrong person" in shown("bob")
    assert "webhook" not in shown("eve")
    world.forward()  # the list shows who left
    said = world.query("SELECT payload FROM decisions WHERE payload IS NOT NULL")
    world.forward()
    world.reverse()
    assert world.query("SELECT payload FROM decisions WHERE payload IS NOT NULL") == said
    assert world.query("SELECT key FROM ledger_entries WHERE namespace LIKE '%/statements'") == []
    assert verify(desk.trail).problems == ()
