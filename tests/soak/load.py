"""People and reps who act, and faults that come and go."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from kinetic_mailchimp.kit.parsing.email_address import email_key
from stage import Stage

FIRST_NAMES = ("Alex", "Robin", "Sam")
LAST_NAMES = ("Example", "Muster", "Sample")
FAULTS: tuple[dict[str, Any], ...] = (
    {"match": {"probability": 0.05}, "effect": {"kind": "status", "status": 503}},
    {"match": {"probability": 0.03}, "effect": {"kind": "reset", "applied": True}},
    {"match": {"probability": 0.03}, "effect": {"kind": "reset"}},
    {"match": {"probability": 0.1}, "effect": {"kind": "latency", "seconds": 0.3}},
)
LOCK_SECONDS = 2.0


@dataclass
class Load:
    """Random acts of the people of an audience, and of the reps who look after them.

    People write first names and reps last names: who of two came first that write one field in the same
    second, only the model knows.

    Args:
        stage: Where they act.
        people: Their addresses, which are contacts.
        dice: Decides.
    """

    stage: Stage
    people: list[str]
    dice: random.Random
    counts: Counter[str] = field(default_factory=Counter)

    def act(self) -> None:
        """Let one of them do something."""
        who = self.dice.choice(self.people)
        kind = self.dice.choice(("leave", "return", "edit profile", "rep edits", "rep edits"))
        self.counts[kind] += 1
        if kind == "rep edits":
            self._edit(who)
            return
        action = {"leave": "unsubscribe", "return": "subscribe", "edit profile": "edit_profile"}[kind]
        details = {"merge_fields": {"FNAME": self.dice.choice(FIRST_NAMES)}} if kind == "edit profile" else {}
        with contextlib.suppress(requests.HTTPError):  # who has left already cannot leave
            self.stage.person(action, who, **details)

    def _edit(self, who: str) -> None:
        row = self.dice.choice(contacts(self.stage)[who])
        key = {name: row[name] for name in ("Company", "CustNum", "ShipToNum", "ConNum")}
        body = {"key": key, "changes": {"LastName": self.dice.choice(LAST_NAMES)}}
        self.stage.epicor_control("POST", "/tables/CustCnt/edit", json=body)

    def break_something(self) -> None:
        """Put a fault of the network in force at one vendor, or lock a database for a while."""
        kind = self.dice.choice(("Epicor", "Mailchimp", "lock", "nothing"))
        self.counts[f"fault: {kind}"] += 1
        self.heal()
        if kind == "Epicor":
            self.stage.epicor_control("PUT", "/faults", json=[self.dice.choice(FAULTS)])
        elif kind == "Mailchimp":
            self.stage.mailchimp_control("PUT", "/faults", json=[self.dice.choice(FAULTS)])
        elif kind == "lock":
            lock(self.stage.folder / self.dice.choice(("audit.sqlite3", "inbox.sqlite3")))

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self.stage.epicor_control("PUT", "/faults", json=[])
        self.stage.mailchimp_control("PUT", "/faults", json=[])


def lock(database: Path) -> None:
    """Keep every writer of a SQLite database waiting for a while."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(LOCK_SECONDS)


def contacts(stage: Stage) -> dict[str, list[dict[str, Any]]]:
    """The contacts of Epicor, by address."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in stage.epicor_control("GET", "/tables/CustCnt"):
        found.setdefault(email_key(row["EMailAddress"]), []).append(row)
    return found
