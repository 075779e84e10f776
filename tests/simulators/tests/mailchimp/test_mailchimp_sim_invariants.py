"""Random acts of people and of the API: what must hold after each of them."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from simulators.mailchimp.account import Account, Actor, Clock
from simulators.mailchimp.consent import LOCKED, OPTED_OUT, Standing, Way
from simulators.mailchimp.events import Event
from simulators.mailchimp.members import Write, archive, write
from simulators.mailchimp.model import Audience, Member, Webhook
from simulators.mailchimp.people import ACTS, Act, ImpossibleActError
from simulators.mailchimp.problems import Problem
from simulators.mailchimp.routes.webhooks import EVENTS, SOURCES
from simulators.mailchimp.switches import Switches

EMAILS = st.sampled_from(["a@example.com", "B@example.com"])
UPSERTS = st.sampled_from([Way.PUT, Way.POST, Way.BATCH])
STATUSES = st.sampled_from(["subscribed", "unsubscribed", "cleaned"])
# With these, the webhooks alone tell who is subscribed.
TELLING = Switches(resubscribe_fires="subscribe", signup_throttle=1000)


class Crowd(RuleBasedStateMachine):
    """A list, and somebody who knows it from its webhooks alone."""

    def __init__(self) -> None:
        super().__init__()
        self.account = Account(1, "http://127.0.0.1", TELLING, self.hear, Clock(lambda: 1_700_000_000))
        self.audience = self.account.add_list("Customers")
        self.audience.webhooks["x"] = Webhook(
            "x",
            self.audience.id,
            "http://127.0.0.1/",
            dict.fromkeys(EVENTS, True),
            dict.fromkeys(SOURCES, True),
            signing_secret="",
            signing_enabled=False,
        )
        self.heard: set[str] = set()

    def hear(self, _: Audience, event: Event) -> None:
        email = str(event.data.get("email", "")).lower()
        if event.type == "subscribe":
            self.heard.add(email)
        elif event.type in {"unsubscribe", "cleaned"}:
            self.heard.discard(email)
        elif event.type == "upemail" and str(event.data["old_email"]).lower() in self.heard:
            self.heard.discard(str(event.data["old_email"]).lower())
            self.heard.add(str(event.data["new_email"]).lower())

    def ask(self, way: Way, current: Member | None, body: dict[str, Any]) -> None:
        """Send a request of the API, and check that it raised nobody whom only the person can raise."""
        email = body.get("email_address") or (current.email_address if current else "")
        before = current.standing if current else self.audience.standing_of(email)
        recorded = len(self.account.raises)
        try:
            after = write(
                self.account, self.audience, current, Write(way, Actor("api"), body)
            ).member.standing
        except Problem:
            assert "raised" not in [entry.outcome for entry in self.account.raises[recorded:]]
            return
        if after is Standing.SUBSCRIBED and before in OPTED_OUT:
            assert before not in LOCKED | {Standing.FORGOTTEN}
            assert [entry.outcome for entry in self.account.raises[recorded:]] == ["raised"]

    @rule(
        email=EMAILS,
        way=st.sampled_from([Way.PUT, Way.POST, Way.BATCH]),
        status=STATUSES,
        as_new=st.booleans(),
    )
    def upsert(self, email: str, way: Way, status: str, *, as_new: bool) -> None:
        current = self.audience.find(email) if way is Way.PUT else None
        name = "status_if_new" if as_new and way is not Way.POST else "status"
        self.ask(way, current, {"email_address": email, name: status})

    @rule(email=EMAILS, new_email=EMAILS, status=st.none() | STATUSES, broken=st.booleans())
    def patch(self, email: str, new_email: str, status: str | None, *, broken: bool) -> None:
        current = self.audience.find(email)
        if current is not None:
            self.ask(
                Way.PATCH, current, {"email_address": new_email, **({"status": status} if status else {})}
            )

    @rule(email=EMAILS)
    def archive(self, email: str) -> None:
        current = self.audience.find(email)
        if current is not None and current.status not in {"cleaned", "archived"}:
            archive(self.account, self.audience, current, Actor("api"))

    @rule(email=EMAILS, new_email=EMAILS, action=st.sampled_from(sorted(ACTS)))
    def act(self, email: str, new_email: str, action: str) -> None:
        try:
            ACTS[action](Act(self.account, self.audience, email, {"new_email": new_email}))
        except ImpossibleActError:
            return

    @invariant()
    def the_indexes_agree(self) -> None:
        members = self.audience.members
        assert all(hashed == member.id for hashed, member in members.items())
        by_contact = {member.contact_id: hashed for hashed, member in members.items()}
        assert by_contact == self.audience.hash_by_contact
        assert len(by_contact) == len(members)
        assert not members.keys() & self.audience.forgotten.keys()

    @invariant()
    def webhooks_tell_who_is_subscribed(self) -> None:
        subscribed = {
            member.email_address.lower()
            for member in self.audience.members.values()
            if member.standing is Standing.SUBSCRIBED
        }
        assert self.heard == subscribed


TestCrowd = Crowd.TestCase
TestCrowd.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
