"""Both simulators in this process, on one clock that a test moves, and handed out empty again and again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulators.common.serve import serve_in_thread
from simulators.epicor import app as epicor_app
from simulators.epicor import rules
from simulators.epicor.timestamps import TICKS_PER_SECOND
from simulators.epicor.world import Kinetic
from simulators.mailchimp import app as mailchimp_app
from simulators.mailchimp.account import Actor
from simulators.mailchimp.consent import Standing
from simulators.mailchimp.model import Audience, Member, Webhook
from simulators.mailchimp.people import ACTS, Act
from simulators.mailchimp.simulator import Simulator
from simulators.mailchimp.switches import Switches
from starlette.types import ASGIApp

COMPANIES = ("EPIC06", "EPIC07")
COMPANY = COMPANIES[0]
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC).timestamp()
NEVER = 10**9
"""So many deliveries must wait before the simulator posts one by itself."""
EVENTS = dict.fromkeys(("subscribe", "unsubscribe", "profile", "upemail", "cleaned"), True)
SOURCES = {"user": True, "admin": True, "api": False}

Row = dict[str, Any]


@dataclass
class Clock:
    """The true time, in seconds since the epoch."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Step:
    """A change of somebody's standing in Mailchimp."""

    at: float
    list_id: str
    contact_id: str
    address: str
    before: Standing
    after: Standing
    source: str
    is_new: bool


@dataclass
class Vendors:
    """Kinetic and Mailchimp. Changes are made beside the servers' threads, while no request is answered."""

    clock: Clock
    kinetic: Kinetic
    kinetic_hello: Mapping[str, Any]
    mailchimp: Simulator
    mailchimp_hello: Mapping[str, Any]
    history: list[Step] = field(default_factory=list)
    main: str = ""
    second: str = ""

    def reset(self) -> None:
        """Begin anew: no rows, no members, the first moment."""
        self.clock.now = START
        for name in ("CustCnt", "Customer", "PerCon"):
            table = self.kinetic.table(name)
            for row in self.kinetic.store.select(table):
                self.kinetic.store.commit(self.kinetic.store.prepare_delete(table, row))
        self.kinetic.plan.replace(())
        self.kinetic.log.clear()
        self.mailchimp.reset()
        self.mailchimp.account.switches = self.mailchimp.account.switches.changed(
            {"webhook_reorder_window": NEVER, "signup_throttle": NEVER}
        )
        self.history.clear()
        self._watch_steps()
        self.main = self.mailchimp.account.list_named("Customers").id
        self.second = self.mailchimp.account.add_list("Second").id
        for list_id in (self.main, self.second):
            hook = Webhook(
                f"hook-{list_id}",
                list_id,
                "http://127.0.0.1:9/",
                EVENTS,
                SOURCES,
                signing_secret="",
                signing_enabled=False,
            )
            self.audience(list_id).webhooks[hook.id] = hook

    # Kinetic

    def row(self, table: str, key: Mapping[str, Any]) -> Row | None:
        """A row by its whole key."""
        return self.kinetic.store.get(self.kinetic.table(table), key)

    def rows(self, table: str) -> list[Row]:
        """All rows of a table."""
        return self.kinetic.store.select(self.kinetic.table(table), order='"Company", "CustNum"')

    def insert(self, table: str, **values: Any) -> Row:
        """Add a row as a user does; its company is one of the values."""
        return rules.create(self.kinetic, values["Company"], self.kinetic.table(table), values)

    def edit(self, table: str, key: Mapping[str, Any], **changes: Any) -> Row:
        """Change a row as a user does."""
        return rules.update(self.kinetic, self.kinetic.table(table), key, changes, by_api=False)

    def delete(self, table: str, key: Mapping[str, Any]) -> None:
        """Remove a row as a user does."""
        rules.delete(self.kinetic, self.kinetic.table(table), key)

    # Mailchimp

    def audience(self, list_id: str = "") -> Audience:
        """The main audience, or another."""
        return self.mailchimp.account.audiences[list_id or self.main]

    def member(self, address: str, list_id: str = "") -> Member | None:
        """Who has an address."""
        return self.audience(list_id).find(address)

    def act(self, action: str, address: str, list_id: str = "", **details: Any) -> None:
        """Let a person or an admin do something."""
        ACTS[action](Act(self.mailchimp.account, self.audience(list_id), address, details))

    def switch(self, **changes: Any) -> None:
        """Turn switches of Mailchimp."""
        self.mailchimp.account.switches = self.mailchimp.account.switches.changed(changes)

    # What was done

    def writes(self) -> list[str]:
        """Requests since the logs were cleared that change something, or try to."""
        logs = (self.kinetic.log, self.mailchimp.log)
        return [
            f"{request['method']} {request['path']} -> {request['status']}"
            for log in logs
            for request in log.requests()
            if request["method"] not in ("GET", "HEAD")
        ]

    def clear_logs(self) -> None:
        """Forget the requests so far."""
        self.kinetic.log.clear()
        self.mailchimp.log.clear()

    def _watch_steps(self) -> None:
        account, save = self.mailchimp.account, self.mailchimp.account.save

        def watched(audience: Audience, old: Member | None, new: Member, actor: Actor) -> Member:
            before = old.standing if old else audience.standing_of(new.email_address)
            saved = save(audience, old, new, actor)
            if before is not saved.standing:
                self.history.append(
                    Step(
                        self.clock.now,
                        audience.id,
                        saved.contact_id,
                        saved.email_address,
                        before,
                        saved.standing,
                        actor.source,
                        old is None,
                    )
                )
            return saved

        account.save = watched  # type: ignore[method-assign] # an observer around it


@contextlib.contextmanager
def running(profile: str = "updated-on", ud_columns: Mapping[str, str] | None = None) -> Iterator[Vendors]:
    """Serve both simulators from threads.

    Args:
        profile: Of Kinetic: `updated-on`, or `stock`, whose rows have a revision and no time.
        ud_columns: By table, columns that the tenant added to Kinetic.
    """
    clock, made = Clock(), dict[str, Any]()

    def kinetic(url: str) -> tuple[ASGIApp, Mapping[str, Any]]:
        world = epicor_app.build_world(
            0, 1, profile, clock=lambda: int(clock() * TICKS_PER_SECOND), ud_columns=ud_columns
        )
        made["kinetic"] = world
        return epicor_app.build_app(world), epicor_app.hello(world, url)

    def mailchimp(url: str) -> tuple[ASGIApp, Mapping[str, Any]]:
        simulator = Simulator(url, 1, Switches(), clock)
        made["mailchimp"] = simulator
        return mailchimp_app.application(simulator), mailchimp_app.greeting(simulator)

    with serve_in_thread(kinetic) as first, serve_in_thread(mailchimp) as second:
        vendors = Vendors(clock, made["kinetic"], first.hello, made["mailchimp"], second.hello)
        vendors.reset()
        yield vendors
