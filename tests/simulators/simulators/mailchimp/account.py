"""The one account that a simulator serves: its state, its clock and the record of who was raised."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from simulators.mailchimp.consent import OPTED_OUT, Standing
from simulators.mailchimp.events import Event, events_between
from simulators.mailchimp.identity import derived_id, made_up_api_key
from simulators.mailchimp.model import Audience, Campaign, Member, Permission
from simulators.mailchimp.switches import Switches

MAIN, DOUBLE_OPT_IN, TYPED = "Customers", "Newsletter", "Events"

_MAIN_FIELDS = (
    ("COMPANY", "Company"),
    ("INDUSTRY", "Industry"),
    ("REGION", "Region"),
    ("ACCTSTATUS", "Account Status"),
)
_FIRST_WEB_ID = 400_000_000


@dataclass(frozen=True)
class Actor:
    """Who causes a change: `user` (the contact), `admin` (a user of the vendor's app) or `api`."""

    source: str
    request: str = ""


@dataclass(frozen=True)
class Raise:
    """A request that asked for consent which the contact had not given, and what came of it."""

    list_id: str
    email_address: str
    was: Standing
    asked: str
    by: str
    outcome: str
    request: str
    at: int


@dataclass
class Clock:
    """Seconds since the epoch, with an offset that a test may change."""

    now: Callable[[], float] = time.time
    offset: float = 0

    def __call__(self) -> float:
        return self.now() + self.offset


@dataclass
class Account:
    seed: int
    url: str
    switches: Switches
    announce: Callable[[Audience, Event], None]
    clock: Clock = field(default_factory=Clock)
    audiences: dict[str, Audience] = field(default_factory=dict)
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    raises: list[Raise] = field(default_factory=list)
    web_ids: itertools.count[int] = field(default_factory=lambda: itertools.count(_FIRST_WEB_ID))

    @property
    def api_key(self) -> str:
        return made_up_api_key(self.seed)

    @property
    def data_centre(self) -> str:
        return self.api_key.rpartition("-")[2]

    @property
    def base_url(self) -> str:
        return f"{self.url}/3.0"

    @property
    def client_id(self) -> str:
        return f"{self.seed % 10**12:012d}"

    @property
    def client_secret(self) -> str:
        return f"{self.seed % 16**6:050x}"

    def now(self) -> int:
        return int(self.clock())

    def add_list(self, name: str, *, double_optin: bool = False) -> Audience:
        audience = Audience(
            derived_id(10, self.seed, "list", name), name, double_optin, created_at=self.now()
        )
        audience.add_default_fields()
        self.audiences[audience.id] = audience
        return audience

    def list_named(self, name: str) -> Audience:
        return next(audience for audience in self.audiences.values() if audience.name == name)

    def new_contact_id(self) -> tuple[str, int]:
        web_id = next(self.web_ids)
        return derived_id(32, self.seed, "contact", web_id), web_id

    def save(self, audience: Audience, old: Member | None, new: Member, actor: Actor) -> Member:
        """Store a member, with its time of change, and tell the webhooks; a change of nothing does not."""
        if old == new:
            return new
        if new.standing is Standing.PENDING and (old is None or old.standing is not Standing.PENDING):
            new = replace(new, confirmation_mails=new.confirmation_mails + 1)
        new = replace(new, last_changed=self.now())
        audience.store(old, new)
        for event in events_between(audience, old, new, actor.source, self.switches):
            self.announce(audience, event)
        return new

    def note_raise(
        self,
        audience: Audience,
        email_address: str,
        was: Standing,
        asked: str,
        by: str,
        outcome: str,
        request: str,
    ) -> None:
        if was in OPTED_OUT:
            self.raises.append(
                Raise(audience.id, email_address, was, asked, by, outcome, request, self.now()),
            )


def furnish(account: Account) -> None:
    """Give an account the lists that every simulator starts with."""
    main = account.add_list(MAIN)
    for tag, name in _MAIN_FIELDS:
        main.add_merge_field(tag, name)
    account.add_list(DOUBLE_OPT_IN, double_optin=True)
    typed = account.add_list(TYPED)
    typed.add_merge_field("COMPANY", "Company", required=True)
    typed.add_merge_field("CREDIT", "Credit limit", "number")
    typed.add_merge_field("SINCE", "Customer since", "date")
    typed.add_merge_field("BIRTHDAY", "Birthday", "birthday")
    typed.add_merge_field("POSTCODE", "Zip", "zip")
    typed.add_merge_field("WEBSITE", "Website", "url")
    typed.add_merge_field("LOGO", "Logo", "imageurl")
    typed.add_merge_field("TIER", "Tier", "dropdown", options={"choices": ["Bronze", "Silver", "Gold"]})
    typed.add_merge_field("SIZE", "Size", "radio", options={"choices": ["Small", "Large"]})
    typed.add_merge_field("MOBILE", "Mobile", "phone", options={"phone_format": "US"})
    typed.permissions = (
        Permission(derived_id(10, account.seed, "permission", 1), "Email"),
        Permission(derived_id(10, account.seed, "permission", 2), "Direct mail"),
    )
    campaign_id = derived_id(10, account.seed, "campaign", 1)
    account.campaigns[campaign_id] = Campaign(campaign_id, main.id, "Spring news", account.now())
