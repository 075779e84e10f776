"""The pages about what both pipelines did between both simulators: the error desk."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import requests
from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.dead_letters.replay import replay_to
from kinetic_mailchimp.audit.integrity.verification import verify
from kinetic_mailchimp.console.pages.app import create_app
from kinetic_mailchimp.console.pages.settings import PagesSettings
from pipelines import FORWARD
from simulators.common.serve import serve_in_thread
from world import World, customer

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
        return answer.text

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
