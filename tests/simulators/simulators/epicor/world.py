"""One simulated Kinetic: its data, its credentials, its switches and its clock."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from simulators.common.fault_middleware import Wait
from simulators.common.faults import FaultPlan
from simulators.common.request_log import RequestLog
from simulators.epicor.cdc import CdcService
from simulators.epicor.schema import Table
from simulators.epicor.store import Change, Store
from simulators.epicor.switches import Switches
from simulators.epicor.timestamps import Clock

SERVER_ZONE = ZoneInfo("America/Chicago")
INSTANCE = "kinetic"


@dataclass(frozen=True)
class Credentials:
    """What a client needs to get in."""

    api_key: str
    username: str
    password: str
    client_id: str
    client_secret: str

    @classmethod
    def of_seed(cls, seed: int) -> Credentials:
        rng = random.Random(f"credentials/{seed}")
        return cls(
            api_key=f"sim-key-{rng.getrandbits(64):016x}",
            username="integration",
            password=f"sim-password-{rng.getrandbits(32):08x}",
            client_id="simulated-client",
            client_secret=f"sim-secret-{rng.getrandbits(32):08x}",
        )


@dataclass
class Seats:
    """Licences claimed by the requests in flight."""

    default: int = 0
    web_service: int = 0


@dataclass
class Kinetic:
    """Everything that a request may see or change."""

    companies: tuple[str, ...]
    store: Store
    tables: Mapping[str, Table]
    credentials: Credentials
    clock: Clock
    plan: FaultPlan
    log: RequestLog
    seed: int
    profile: str
    cdc: CdcService
    wait: Wait
    switches: Switches = field(default_factory=Switches)
    held: list[Change] = field(default_factory=list)
    """Writes that have their revision and are not committed yet."""
    edits: int = 0
    advanced: float = 0
    """Seconds by which a test has moved the clock."""
    tokens: dict[str, int] = field(default_factory=dict)
    """Bearer tokens and the times at which they expire."""
    sessions: set[str] = field(default_factory=set)
    logins: int = 0
    seats: Seats = field(default_factory=Seats)

    def table(self, name: str) -> Table:
        return self.tables[name]
