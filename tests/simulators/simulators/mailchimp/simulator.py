"""What the parts of a running simulator share."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.common.faults import FaultPlan
from simulators.common.request_log import RequestLog
from simulators.mailchimp.account import Account, Clock, furnish
from simulators.mailchimp.batches import Batches, Perform
from simulators.mailchimp.courier import Courier
from simulators.mailchimp.events import Event
from simulators.mailchimp.identity import derived_id
from simulators.mailchimp.listing import Listings
from simulators.mailchimp.model import Audience, Campaign
from simulators.mailchimp.switches import Switches


@dataclass
class Connections:
    """How many requests are being answered at once."""

    open: int = 0
    most: int = 0
    refused: int = 0


@dataclass
class Grants:
    """What OAuth2 has handed out: codes that wait to be exchanged, and tokens, which never expire."""

    redirect_by_code: dict[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)


async def _nobody(*_: object) -> tuple[int, str]:
    """Stands in until the application is there to carry out the operations of a batch."""
    raise RuntimeError("The simulator has no application yet.")


class Simulator:
    """The state of one simulator.

    Args:
        url: Where it is reached.
        seed: Of everything that looks random.
        switches: The unconfirmed behaviours.
        now: Seconds since the epoch.
    """

    def __init__(self, url: str, seed: int, switches: Switches, now: Callable[[], float]) -> None:
        self.url = url
        self.seed = seed
        self.plan = FaultPlan(seed)
        self.log = RequestLog()
        self.connections = Connections()
        self._now = now
        self._initial = switches
        self._serial = itertools.count(1)
        self.clock = Clock(lambda: now() + self.plan.clock_skew())
        self.perform: Perform = _nobody
        self.batches = Batches()
        self.courier = Courier(seed, lambda: self.account.switches, self.clock)
        self.reset()

    def reset(self) -> None:
        """Begin anew, with the switches that the simulator was started with."""
        self.plan.replace(())
        self.log.clear()
        self.connections.most = self.connections.refused = 0
        self.clock.offset = 0
        self.courier.forget()
        self.batches.forget()
        self.grants = Grants()
        self.listings = Listings()
        self.account = Account(self.seed, self.url, self._initial, self.courier.announce, self.clock)
        furnish(self.account)

    def next_id(self, length: int, kind: str) -> str:
        return derived_id(length, self.seed, kind, next(self._serial))

    def announce_campaign(self, audience: Audience, campaign: Campaign) -> None:
        data = {
            "id": campaign.id,
            "subject": campaign.subject,
            "status": "sent",
            "reason": "",
            "list_id": audience.id,
        }
        self.courier.announce(audience, Event("campaign", "admin", data))
