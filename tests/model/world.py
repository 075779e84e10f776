"""A small world: people, sales reps, both vendors and both pipelines, in one process and minute by minute."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import receiver
from kinetic_mailchimp.audit import AuditTrail
from pipelines import FORWARD, REVERSE, Kill, Pipeline, Runner
from process_runners import MeltanoRunner, OutsideRunner, ProcessRunner, as_text
from simulators.common.faults import Effect, Match, Rule
from simulators.mailchimp.model import Member
from stage import Stage, borrow_plugins, stage_variables
from tap_mailchimp_webhooks.inbox.store import Inbox
from vendors import COMPANIES, Row, Vendors

RUNS_AS = os.environ.get("MODEL_RUNS", "")
MINUTE = 60.0
GIVEN_UP_AFTER = 76.0
"""Minutes for which Mailchimp tries a delivery again."""
ADDRESS = ("Address1", "City", "State", "Zip", "Country")
HOME = {"Address1": "1 Main St", "City": "Springfield", "State": "IL", "Zip": "62701", "Country": "USA"}
COPIED = ("Name", "FirstName", "LastName", "EMailAddress", "NoContact", "PhoneNum", *ADDRESS)
"""What a contact takes along to another customer."""
AHEAD = 1800
"""Seconds by which the machine's clock is ahead of a story's first moment, where Meltano has no other."""
Key = Mapping[str, Any]
RowName = tuple[str, int, int]
"""Table, customer and contact; a customer's own row has the contact 0. Customer 1001 is the second company's
number 1."""


@dataclass(frozen=True)
class Said:
    """What a person or a rep has done; runs are in it too, as `run`, when they have ended.

    Attributes:
        at: The true time, in seconds since the epoch.
        what: An act of `people.ACTS` of somebody in Mailchimp; `edit`, `insert` or `remove` of a rep.
        address: Of whom in Mailchimp it is about.
        list_id: The audience.
        row: The row of a rep's act.
        before: The row as it was before.
        details: What else belongs to the act: a new address, merge fields, columns.
    """

    at: float
    what: str
    address: str = ""
    list_id: str = ""
    row: RowName | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[Any, Any] = field(default_factory=dict)


def customer(number: int) -> RowName:
    """The row of a customer."""
    return ("Customer", number, 0)


def contact(number: int, position: int = 1) -> RowName:
    """The row of one of a customer's contacts."""
    return ("CustCnt", number, position)


def key_of(row: RowName) -> Key:
    """The key of a row in Kinetic."""
    table, number, position = row
    key: dict[str, Any] = {"Company": COMPANIES[number // 1000], "CustNum": number % 1000}
    return key if table == "Customer" else {**key, "ShipToNum": "", "ConNum": position}


def source_key(row: RowName) -> str:
    """The name of a row in the audit trail."""
    table, number, position = row
    end = "" if table == "Customer" else f"//{position}"
    return f"{table} {COMPANIES[number // 1000]}/{number % 1000}{end}"


def number_of(row: Row) -> int:
    """The number of a customer, as names of rows have it."""
    return 1000 * COMPANIES.index(row["Company"]) + int(row["CustNum"])


def folder_of_process(prefix: str) -> Path:
    """A folder that is removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _templates() -> Path:
    """Databases that have their tables and nothing else: to make them takes longer than a run."""
    folder = folder_of_process("model-templates-")
    AuditTrail.open(f"sqlite:///{folder / 'audit.sqlite3'}").close()
    Inbox.open(f"sqlite:///{folder / 'inbox.sqlite3'}").database.close()
    return folder


@dataclass(repr=False)
class World:
    """Everything, from the first moment on.

    Each action takes a minute of all clocks, and so does each run.

    Attributes:
        vendors: Both simulators, empty.
        folder: Where the databases of this world lie.
        skew: Seconds by which the clocks of the pipelines' processes are off.
        receiver_skew: Seconds by which the receiver's clock is off.
        told: Deliveries of Mailchimp that were not posted yet.
        anything_lost: Whether deliveries were lost since the last look at all changes.
        settings: Of the taps, by pipeline, beside those of meltano.yml.
        targets: The same of the targets.
        stands_still: Whether what happens takes no time at all.
        is_down: Whether the receiver answers nobody.
        unanswered: Deliveries that were tried meanwhile, and will be again.
        signed: Whether deliveries are signed. Then an event says what was true when it happened; without a
            signature, Mailchimp is asked what is true now.
        runs_as: `processes` or `meltano`; empty for runs in this process, which take a tenth of the time.
    """

    vendors: Vendors
    folder: Path
    skew: float = 0
    receiver_skew: float = 0
    told: list[bytes] = field(default_factory=list)
    anything_lost: bool = False
    states: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    begun: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    story: list[Said] = field(default_factory=list)
    stands_still: bool = False
    signed: bool = False
    is_down: bool = False
    unanswered: list[bytes] = field(default_factory=list)
    runs_as: str = RUNS_AS
    _taken: int = 0

    def __post_init__(self) -> None:
        self.vendors.reset()
        self.states = {pipeline.name: [{}] for pipeline in (FORWARD, REVERSE)}
        self.settings = {pipeline.name: {} for pipeline in (FORWARD, REVERSE)}
        self.targets = {pipeline.name: {} for pipeline in (FORWARD, REVERSE)}
        shutil.copy(_templates() / "inbox.sqlite3", self.inbox)
        self.lose_audit_database()
        self._runner = _runner(self.vendors, self.folder, self.runs_as)

    @property
    def audit(self) -> Path:
        """The file of the audit database."""
        return self.folder / "audit.sqlite3"

    @property
    def inbox(self) -> Path:
        """The file of the inbox."""
        return self.folder / "inbox.sqlite3"

    def wait(self, minutes: float = 1) -> None:
        """Let time pass."""
        if not self.stands_still:
            self.vendors.clock.now += minutes * MINUTE

    # What people in sales do

    def person(self, number: int, address: str, name: str = "Ann", **columns: Any) -> None:
        """Add a customer with one contact; both have the address."""
        self.vendors.insert(
            "Customer",
            **key_of(customer(number)),
            CustID=f"C{number}",
            Name=f"Company {number}",
            CustomerType="CUS",
            EMailAddress=address,
            **HOME,
            **columns,
        )
        self._tell("insert", row=customer(number), address=address)
        self.colleague(number, address, name)

    def colleague(self, number: int, address: str, name: str = "Ann") -> RowName:
        """Add a contact to a customer."""
        row = self.vendors.insert(
            "CustCnt",
            **key_of(customer(number)),
            ShipToNum="",
            Name=f"{name} Example",
            FirstName=name,
            LastName="Example",
            EMailAddress=address,
        )
        self._tell("insert", row=contact(number, row["ConNum"]), address=address)
        self.wait()
        return contact(number, row["ConNum"])

    def edit(self, *rows: RowName, **columns: Any) -> None:
        """Set columns of rows."""
        for row in rows:
            self._edit(row, **columns)
        self.wait()

    def _edit(self, row: RowName, **columns: Any) -> None:
        before = self.row(row)
        self.vendors.edit(row[0], key_of(row), **columns)
        self._tell("edit", row=row, before=before, details=columns)

    def _tell(self, what: str, **more: Any) -> None:
        self.story.append(Said(self.vendors.clock.now, what, **more))

    def flag(self, *rows: RowName) -> None:
        """A rep sets NoContact."""
        self.edit(*rows, NoContact=True)

    def unflag(self, *rows: RowName) -> None:
        """A rep clears NoContact."""
        self.edit(*rows, NoContact=False)

    def correct(self, number: int, address: str) -> None:
        """A rep gives a customer and its first contact another address."""
        self.edit(customer(number), contact(number), EMailAddress=address)

    def swap(self, one: int, other: int) -> None:
        """A rep puts right that two people had each other's address."""
        first, second = (self.row(customer(number))["EMailAddress"] for number in (one, other))
        for number, address in ((one, second), (other, first)):
            for row in (customer(number), contact(number)):
                self._edit(row, EMailAddress=address)
        self.wait()

    def move_company(self, number: int, new: int) -> None:
        """A rep makes a customer, with its first contact, one of another company, which takes new rows."""
        whole, person = self.row(customer(number)), self.row(contact(number))
        self.remove(number)
        self.person(new, whole["EMailAddress"], person["FirstName"], NoContact=whole["NoContact"])
        if person["NoContact"]:
            self.edit(contact(new), NoContact=True)

    def merge(self, number: int, into: int, *, deletes: bool) -> list[RowName]:
        """A rep makes two customers one: contacts get new rows, and the loser is deleted or goes inactive."""
        moved = []
        for row in [row for row in self.rows() if row[:2] == ("CustCnt", number)]:
            columns = {name: value for name, value in self.row(row).items() if name in COPIED}
            self._remove(row)
            new = self.vendors.insert("CustCnt", **key_of(customer(into)), ShipToNum="", **columns)
            moved.append(contact(into, new["ConNum"]))
            self._tell("insert", row=moved[-1], address=columns["EMailAddress"], details=columns)
        if deletes:
            self._remove(customer(number))
        else:
            self._edit(customer(number), Inactive=True)
        self.wait()
        return moved

    def remove(self, number: int) -> None:
        """A rep deletes a customer with its contacts."""
        for row in self.rows():
            if row[1] == number and row[0] == "CustCnt":
                self._remove(row)
        self._remove(customer(number))
        self.wait()

    def _remove(self, row: RowName) -> None:
        self._tell("remove", row=row, before=self.row(row))
        self.vendors.delete(row[0], key_of(row))

    # What people do in Mailchimp

    def act(self, action: str, address: str, list_id: str = "", **details: Any) -> None:
        """Let a person or an admin act (`people.ACTS`)."""
        self.vendors.act(action, address, list_id, **details)
        self._tell(action, address=address, list_id=list_id or self.vendors.main, details=details)
        self.wait()

    def leave(self, address: str, list_id: str = "", **details: Any) -> None:
        """Somebody unsubscribes."""
        self.act("unsubscribe", address, list_id, **details)

    def complain(self, address: str) -> None:
        """Somebody marks a mail as spam."""
        self.act("complain", address)

    def bounce(self, address: str) -> None:
        """An address turns out not to exist."""
        self.act("bounce", address)

    def join(self, address: str, list_id: str = "", told: str = "subscribe", **fields: str) -> None:
        """Somebody fills in the form: for the first time or to come back, which is told in either way."""
        self.vendors.switch(resubscribe_fires=told)
        self.act("subscribe", address, list_id, merge_fields=fields)

    def profile(self, address: str, **fields: str) -> None:
        """Somebody edits their profile."""
        self.act("edit_profile", address, merge_fields=fields)

    def change_address(self, address: str, new: str) -> None:
        """Somebody changes their address."""
        self.act("change_address", address, new_email=new)

    # Webhooks

    def collect(self) -> list[bytes]:
        """What Mailchimp wants to post, the oldest first."""
        deliveries = self.vendors.mailchimp.courier.deliveries
        self.told += [delivery.body for delivery in deliveries[self._taken :]]
        self._taken = len(deliveries)
        return self.told

    def deliver(self, order: str = "as told", times: int = 1) -> None:
        """Let all deliveries arrive.

        Args:
            order: `as told`, `reversed`, or `first` for the oldest alone.
            times: How often each arrives.
        """
        waiting = self.collect()
        if self.is_down:
            self.unanswered, self.told = [*self.unanswered, *waiting], []
            return
        chosen = {"as told": waiting, "reversed": waiting[::-1], "first": waiting[:1]}[order]
        self._post([body for body in chosen for _ in range(times)])
        self.told = waiting[1:] if order == "first" else []
        if order != "first":
            # What was tried in vain comes again after what is new.
            again, self.unanswered = self.unanswered, []
            self._post(again)

    def bring_down(self) -> None:
        """The receiver answers nobody."""
        self.deliver()
        self.is_down = True

    def bring_up(self, *, in_time: bool) -> None:
        """The receiver is there again: in time for what Mailchimp tries again, or after it gave up."""
        self.deliver()
        self.is_down = False
        if not in_time:
            self.wait(GIVEN_UP_AFTER)
            self.anything_lost = self.anything_lost or bool(self.unanswered)
            self.unanswered = []

    def lose(self) -> None:
        """Let all deliveries be lost that did not arrive yet."""
        self.anything_lost = self.anything_lost or bool(self.collect())
        self.told = []

    def _post(self, bodies: Sequence[bytes]) -> None:
        if bodies:
            now = self.vendors.clock.now + self.receiver_skew
            statuses = receiver.deliver(bodies, f"sqlite:///{self.inbox}", lambda: now, is_signed=self.signed)
            assert set(statuses) == {200}

    # Runs

    def forward(self, **options: Any) -> None:
        """Run the forward pipeline (see `run`)."""
        self.run(FORWARD, **options)

    def reverse(self, **options: Any) -> None:
        """Run the reverse pipeline (see `run`)."""
        self.run(REVERSE, **options)

    def run(self, pipeline: Pipeline, kill: Kill | None = None, **tap_settings: Any) -> None:
        """Run a pipeline to its end, or until its target is killed."""
        self.begin(pipeline, **tap_settings)
        self.finish(pipeline, kill)

    def begin(self, pipeline: Pipeline, **tap_settings: Any) -> None:
        """Let the tap of a pipeline read; its target has not begun."""
        settings = {**self.settings[pipeline.name], **tap_settings}
        self.begun[pipeline.name] = self._runner.extract(
            pipeline, self.states[pipeline.name][-1], skew=self.skew, **settings
        )
        self.wait()

    def finish(self, pipeline: Pipeline, kill: Kill | None = None) -> None:
        """Let the target of a pipeline write what its tap has read."""
        state = self.load(pipeline, self.begun.pop(pipeline.name), kill)
        if state:
            self.states[pipeline.name].append(state)
        self._tell("run", details=self._names())
        self.wait()

    def load(
        self, pipeline: Pipeline, lines: Sequence[str], kill: Kill | None = None
    ) -> dict[str, Any] | None:
        """Let the target of a pipeline write lines; the last state that it emitted."""
        settings = self.targets[pipeline.name]
        return self._runner.load(pipeline, lines, skew=self.skew, kill=kill or Kill(), **settings)

    def after_a_write(self) -> Kill:
        """Kills a run between the first answer to a write and what the run would have noted about it."""
        before = len(self.vendors.writes())
        return Kill(is_due=lambda: len(self.vendors.writes()) > before)

    def restore_bookmark(self, pipeline: Pipeline) -> None:
        """Go back to the bookmark before the last."""
        if len(self.states[pipeline.name]) > 1:
            self.states[pipeline.name].pop()

    def let_epicor_win(self) -> None:
        """Let Epicor's value stay where both sides changed a field."""
        for settings in self.targets.values():
            settings["conflict_policy"] = "epicor_wins"

    @property
    def epicor_wins(self) -> bool:
        """Whether Epicor's value stays where both sides changed a field."""
        return self.targets["reverse"].get("conflict_policy") == "epicor_wins"

    def begin_anew(self, pipeline: Pipeline) -> None:
        """Have no bookmark, as after `--full-refresh`."""
        self.states[pipeline.name].append({})

    def cut_short(self, pipeline: Pipeline) -> None:
        """Run a pipeline of which the tap breaks off halfway: its target writes what has come, and ends."""
        self.begin(pipeline)
        lines = self.begun[pipeline.name]
        self.begun[pipeline.name] = lines[: len(lines) // 2]
        self.finish(pipeline)

    def set_clocks(self, skew: float) -> None:
        """Set the clocks of the pipelines' processes, also of those at work."""
        self._runner.set_clock(skew - self.skew)
        self.skew = skew

    def disturb(self, vendor: str, *, applied: bool) -> None:
        """Let the next write of each kind fail once at a vendor.

        Args:
            vendor: `Kinetic` or `Mailchimp`.
            applied: Whether it takes effect all the same.
        """
        simulator = self.vendors.kinetic if vendor == "Kinetic" else self.vendors.mailchimp
        failure = Effect("status", status=503, applied=applied)
        simulator.plan.replace(
            Rule(f"next {method}", Match(method, count=1), failure) for method in ("POST", "PUT", "PATCH")
        )

    def lose_inbox(self) -> None:
        """Begin with an empty inbox, and without any bookmark of the one before."""
        for old in self.folder.glob("inbox.sqlite3*"):
            old.unlink()
        Inbox.open(f"sqlite:///{self.inbox}").database.close()
        self.states[REVERSE.name] = [{}]
        self.anything_lost = True

    def lose_audit_database(self) -> None:
        """Begin with an empty audit database."""
        self._replace_audit_database(_templates() / "audit.sqlite3")

    @property
    def backup(self) -> Path:
        """A copy of the audit database, once one was made."""
        return self.folder / "backup.sqlite3"

    def back_up(self) -> None:
        """Copy the audit database."""
        with (
            contextlib.closing(sqlite3.connect(self.audit)) as source,
            contextlib.closing(sqlite3.connect(self.backup)) as copy,
        ):
            source.backup(copy)

    def restore(self) -> None:
        """Put the copy in the place of the audit database."""
        self._replace_audit_database(self.backup)

    def _replace_audit_database(self, file: Path) -> None:
        for old in self.folder.glob("audit.sqlite3*"):
            old.unlink()
        shutil.copy(file, self.audit)

    def settle(self, rounds: int = 2) -> None:
        """Quiet: no more actions, everything that waits arrives, then rounds of both pipelines."""
        self.is_down = False
        self.vendors.kinetic.plan.replace(())
        self.vendors.mailchimp.plan.replace(())
        for name in list(self.begun):
            self.finish(FORWARD if name == FORWARD.name else REVERSE)
        for _ in range(rounds):
            self.forward()
            self.deliver()
            self.reverse(**({"catch_up_scope": "all_changes"} if self.anything_lost else {}))

    # What is seen

    def _names(self) -> dict[RowName, tuple[Any, Any]]:
        """First name of each contact, in Epicor and in Mailchimp."""
        return {
            contact(number_of(row), row["ConNum"]): (
                row["FirstName"],
                self.fields(row["EMailAddress"]).get("FNAME"),
            )
            for row in self.vendors.rows("CustCnt")
        }

    def rows(self) -> list[RowName]:
        """All rows of customers and contacts."""
        found = [customer(number_of(row)) for row in self.vendors.rows("Customer")]
        return found + [contact(number_of(row), row["ConNum"]) for row in self.vendors.rows("CustCnt")]

    def row(self, row: RowName) -> Row:
        """The columns of a row."""
        found = self.vendors.row(row[0], key_of(row))
        assert found is not None
        return found

    def is_flagged(self, row: RowName) -> bool:
        """Whether a row must not be contacted."""
        return bool(self.row(row)["NoContact"])

    def member(self, address: str, list_id: str = "") -> Member | None:
        """Who has an address in an audience."""
        return self.vendors.member(address, list_id)

    def status(self, address: str, list_id: str = "") -> str:
        """The status of an address in Mailchimp; `none` for nobody."""
        member = self.member(address, list_id)
        return member.status if member else "none"

    def fields(self, address: str) -> dict[str, Any]:
        """The merge fields of a member."""
        member = self.member(address)
        return dict(member.merge_values) if member else {}

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the audit database."""
        connection = sqlite3.connect(self.audit)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql)]
        finally:
            connection.close()

    def decisions(self) -> list[dict[str, Any]]:
        """All decisions about records, the oldest first."""
        return self.query("SELECT * FROM decisions WHERE part_of IS NULL ORDER BY run_id, seq")

    def last_decisions(self) -> list[str]:
        """What the last run decided: `action/reason`."""
        return [
            f"{row['action']}/{row['reason']} {row['subject'] or ''}".rstrip()
            for row in self.query(
                "SELECT * FROM decisions WHERE run_id = (SELECT max(id) FROM runs) AND part_of IS NULL"
                " ORDER BY seq"
            )
        ]

    def dead_letters(self) -> list[dict[str, Any]]:
        """Decisions that keep a record for replay."""
        return [
            {**row, "dead_letter": json.loads(row["dead_letter"])}
            for row in self.decisions()
            if row["dead_letter"]
        ]


def _runner(vendors: Vendors, folder: Path, runs_as: str) -> Runner:
    kinetic, mailchimp = vendors.kinetic_hello, vendors.mailchimp_hello
    variables = {
        "EPICOR_BASE_URL": kinetic["base_url"],
        "EPICOR_COMPANIES": list(COMPANIES),
        "EPICOR_API_KEY": kinetic["api_key"],
        "EPICOR_USERNAME": kinetic["username"],
        "EPICOR_PASSWORD": kinetic["password"],
        "MAILCHIMP_API_KEY": mailchimp["api_key"],
        "MAILCHIMP_BASE_URL": mailchimp["base_url"],
        "MAILCHIMP_LIST_ID": vendors.main,
        "MAILCHIMP_LIST_IDS": [vendors.main, vendors.second],
        "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL": f"sqlite:///{folder / 'inbox.sqlite3'}",
        "AUDIT_DATABASE_URL": f"sqlite:///{folder / 'audit.sqlite3'}",
    }
    given: dict[str, Any] = {
        "variables": variables,
        "now": vendors.clock,
        "catalogs": _catalogs(vendors.kinetic.profile),
    }
    if not runs_as:
        return Runner(**given)
    if runs_as == "meltano":
        vendors.clock.now = time.time() - AHEAD
        borrow_plugins(folder / "plugins")
    environment = stage_variables(folder, folder / "plugins", kinetic, mailchimp) | as_text(variables)
    stage = Stage(folder, environment, kinetic, mailchimp, receiver_url="")
    kinds: dict[str, type[OutsideRunner]] = {"processes": ProcessRunner, "meltano": MeltanoRunner}
    return kinds[runs_as](**given, stage=stage, written=lambda: len(vendors.writes()))


@functools.cache
def _catalogs(profile: str) -> dict[str, str]:
    """The catalogs that were discovered in tenants of a profile, by plugin: their tables differ."""
    return {}
