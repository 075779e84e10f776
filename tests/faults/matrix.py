"""The table of faults: the outcome of each fault in each process, which the tests hold and the docs show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

SIGTERM = "SIGTERM"
SIGKILL = "SIGKILL"
FULL = "disk full"
LOCKED = "database locked"
DELETED = "database deleted"
READ_ONLY = "database read-only"
REPLACED = "database replaced"
RESET_BEFORE = "reset before the write"
RESET_AFTER = "reset after the write"
STORM = "5xx storm"
REVOKED = "credentials revoked"
CLOCK = "clock jump"
FAULTS = (
    SIGTERM,
    SIGKILL,
    FULL,
    LOCKED,
    DELETED,
    READ_ONLY,
    REPLACED,
    RESET_BEFORE,
    RESET_AFTER,
    STORM,
    REVOKED,
    CLOCK,
)

TO_MAILCHIMP = "target-mailchimp"
TO_EPICOR = "target-epicor-contacts"
FROM_EPICOR = "tap-epicor-kinetic"
FROM_INBOX = "tap-mailchimp-webhooks"
RECEIVER = "receiver"
MAPPER = "mapper"
MELTANO = "meltano"

LAST = "the last one"
WRITTEN = "covers what is written"
STAYS = "stays where it was"
NONE = "has none"

COMPLETE = "complete"
NEXT_RUN = "completed by the next run"
REPEATED = "nothing accepted is lost; Mailchimp repeats what was not"
BY_CATCH_UP = "nothing accepted is lost; the catch-up finds what was not"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a fault.

    Attributes:
        sees: Parts of the log, or of the answer, in their order.
        exit: The exit status; for the receiver the HTTP status of a delivery.
        state: What becomes of the Singer state.
        data: What becomes of the data.
    """

    sees: tuple[str, ...]
    exit: int
    state: str
    data: str

    def is_told(self, text: str) -> bool:
        """Tell whether a text has the parts in their order."""
        return re.search(".*".join(map(re.escape, self.sees)), text, re.DOTALL) is not None


Table = Mapping[str, Mapping[str, Outcome | str]]

_FULL = ("cannot grow: the disk is full, or a quota or a limit of the file size is reached", "Make space")
_GONE = ("was removed or replaced while it was in use",)
_READ_ONLY = ("cannot be written: it, its folder or its disk is read-only for this user",)
_WAITS = "is locked by another program (another run, a backup, a database browser)"
_LOCKED = (_WAITS, "was locked for", "Find what holds it")
_STOPPED = ("Signal 15", "stopped")


def _target(answers: str, credentials: str) -> Mapping[str, Outcome | str]:
    """The rows that both targets share.

    Args:
        answers: How the vendor's failure is told.
        credentials: How a wrong login is told.
    """
    return {
        SIGTERM: Outcome(_STOPPED, 143, WRITTEN, NEXT_RUN),
        SIGKILL: Outcome((), -9, WRITTEN, NEXT_RUN),
        FULL: Outcome(_FULL, 1, WRITTEN, NEXT_RUN),
        LOCKED: Outcome(_LOCKED, 1, WRITTEN, NEXT_RUN),
        DELETED: Outcome(_GONE, 1, WRITTEN, NEXT_RUN),
        READ_ONLY: Outcome(_READ_ONLY, 1, STAYS, NEXT_RUN),
        REPLACED: Outcome(_GONE, 1, WRITTEN, NEXT_RUN),
        RESET_BEFORE: Outcome(("the connection broke", "succeeded"), 0, LAST, COMPLETE),
        RESET_AFTER: Outcome(("the connection broke", "succeeded"), 0, LAST, COMPLETE),
        STORM: Outcome((answers,), 1, WRITTEN, NEXT_RUN),
        REVOKED: Outcome((credentials,), 1, WRITTEN, NEXT_RUN),
        CLOCK: Outcome(("succeeded",), 0, LAST, COMPLETE),
    }


_NO_DATABASE = dict.fromkeys(
    (FULL, LOCKED, DELETED, READ_ONLY, REPLACED),
    "it has no database and no file: its output is a pipe.",
)
_EVENTS_FIRST = "The catch-up failed; the events that are there go out first"
_NO_WRITE = dict.fromkeys((RESET_BEFORE, RESET_AFTER), "it writes nothing.")

MATRIX: Table = {
    FROM_EPICOR: {
        **_NO_DATABASE,
        SIGTERM: Outcome((), 143, WRITTEN, NEXT_RUN),
        SIGKILL: Outcome((), -9, WRITTEN, NEXT_RUN),
        RESET_BEFORE: Outcome(("the connection broke", "Trying again"), 0, LAST, COMPLETE),
        RESET_AFTER: "it writes nothing; a read that breaks is the row above.",
        STORM: Outcome(("HTTP 503",), 1, WRITTEN, NEXT_RUN),
        REVOKED: Outcome(("Check `api_key`",), 1, WRITTEN, NEXT_RUN),
        CLOCK: Outcome((), 0, LAST, COMPLETE),
    },
    TO_MAILCHIMP: _target("Mailchimp cannot answer now", "Check `api_key`"),
    RECEIVER: {
        SIGTERM: Outcome((), 0, NONE, REPEATED),
        SIGKILL: Outcome((), -9, NONE, REPEATED),
        FULL: Outcome(_FULL, 503, NONE, REPEATED),
        LOCKED: Outcome((_WAITS,), 503, NONE, REPEATED),
        DELETED: Outcome(_GONE, 503, NONE, REPEATED),
        READ_ONLY: Outcome(_READ_ONLY, 503, NONE, REPEATED),
        REPLACED: Outcome(_GONE, 503, NONE, REPEATED),
        RESET_BEFORE: Outcome(("stored",), 200, NONE, REPEATED),
        RESET_AFTER: Outcome(("known",), 200, NONE, REPEATED),
        STORM: "it calls nobody.",
        REVOKED: Outcome((), 404, NONE, BY_CATCH_UP),
        CLOCK: Outcome(("stored",), 200, NONE, COMPLETE),
    },
    FROM_INBOX: {
        **_NO_WRITE,
        SIGTERM: Outcome((), 0, WRITTEN, NEXT_RUN),
        SIGKILL: Outcome((), -9, WRITTEN, NEXT_RUN),
        FULL: Outcome(_FULL, 1, STAYS, NEXT_RUN),
        LOCKED: Outcome((_WAITS,), 0, LAST, COMPLETE),
        DELETED: Outcome(_GONE, 1, WRITTEN, NEXT_RUN),
        READ_ONLY: Outcome((_EVENTS_FIRST, *_READ_ONLY), 1, WRITTEN, NEXT_RUN),
        REPLACED: Outcome(_GONE, 1, WRITTEN, NEXT_RUN),
        STORM: Outcome((_EVENTS_FIRST, "HTTP 503"), 1, LAST, NEXT_RUN),
        REVOKED: Outcome((_EVENTS_FIRST, "Check `api_key`"), 1, LAST, NEXT_RUN),
        CLOCK: Outcome((), 0, LAST, COMPLETE),
    },
    TO_EPICOR: {
        **_target("HTTP 503", "Check `api_key`"),
        # Whether it was written is read back, without a word.
        RESET_BEFORE: Outcome(("succeeded",), 0, LAST, COMPLETE),
        RESET_AFTER: Outcome(("succeeded",), 0, LAST, COMPLETE),
    },
    MAPPER: {
        **dict.fromkeys((FULL, LOCKED, DELETED, READ_ONLY, REPLACED), "it has no database and no file."),
        **dict.fromkeys((RESET_BEFORE, RESET_AFTER, STORM, REVOKED), "it calls nobody."),
        SIGTERM: Outcome(("Intermediate block (likely a mapper) failed",), 1, STAYS, NEXT_RUN),
        SIGKILL: Outcome(("Intermediate block (likely a mapper) failed",), 1, STAYS, NEXT_RUN),
        CLOCK: "it asks for no time.",
    },
    MELTANO: {
        SIGTERM: Outcome(("The process was terminated",), 143, STAYS, NEXT_RUN),
        SIGKILL: Outcome((), -9, STAYS, NEXT_RUN),
        FULL: Outcome(("disk I/O error",), 1, STAYS, NEXT_RUN),
        LOCKED: Outcome(("database is locked",), 1, STAYS, NEXT_RUN),
        DELETED: Outcome(("no such table",), 1, STAYS, NEXT_RUN),
        READ_ONLY: Outcome(("readonly database",), 1, STAYS, NEXT_RUN),
        REPLACED: Outcome(("succeeded",), 0, LAST, COMPLETE),
        **dict.fromkeys((RESET_BEFORE, RESET_AFTER, STORM, REVOKED), "it calls neither vendor."),
        CLOCK: "no time decides about data; only whether a killed run still counts as one that goes on.",
    },
}


ABOUT: Mapping[str, str] = {
    FROM_EPICOR: "Reads Epicor, and writes to a pipe. The next run goes on from the last state.",
    TO_MAILCHIMP: (
        "The database is the audit database. `AUDIT_LOCK_SECONDS` says how long a locked one is "
        "waited for (30 s); the log tells of it after one. A server that asks for a pause of more "
        "than five minutes ends the run."
    ),
    RECEIVER: (
        "The database is the inbox. A file that comes back under its name, and a lock that is let go "
        "of, need nothing else; a file that was replaced needs a restart. While the inbox is locked, "
        "a delivery is refused after 5 s: Mailchimp waits 10. A signed delivery whose time is more "
        "than two hours behind the clock here, or five minutes ahead of it, is refused with 401."
    ),
    FROM_INBOX: (
        "The database is the inbox; the faults of the network are those of the catch-up, which asks "
        "Mailchimp for opt-outs that no webhook reported. The signals and the lost file meet it while "
        "it follows."
    ),
    TO_EPICOR: "The database is the audit database, as for target-mailchimp.",
    MAPPER: "Within `meltano run`, which it takes along.",
    MELTANO: (
        "The database is its own, with the states (`MELTANO_DATABASE_URI`). The plugins end with it. After "
        "SIGKILL the next run of the same job says for five minutes that another one is running: "
        "`meltano run --force` goes on."
    ),
}


def outcomes(process: str) -> list[tuple[str, Outcome]]:
    """The faults that can occur to a process, with their outcomes."""
    return [(fault, cell) for fault, cell in MATRIX[process].items() if isinstance(cell, Outcome)]


def in_words(value: object) -> str:
    """The name of a fault or an outcome in the name of a test."""
    return value if isinstance(value, str) else ""
