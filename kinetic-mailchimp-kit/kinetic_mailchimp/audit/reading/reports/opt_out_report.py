"""Everyone who opted out: since when, how, whether Epicor has it, and which entry proves it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.reading.consent import is_opt_out, is_real_decision, is_resubscription
from kinetic_mailchimp.audit.reading.decision_details import DecisionDetail, load_details
from kinetic_mailchimp.audit.reading.listings import KEY_COLUMNS, PAGE, Key, at, newest_first
from kinetic_mailchimp.audit.reading.runs import read_directions
from kinetic_mailchimp.audit.storage.schema import decisions, disable_index, runs, same_person
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS
from kinetic_mailchimp.audit.trail.direction import EPICOR, Direction

_MOST_READ: Final = 2_000
"""Entries that one page reads: most of a long list may be older entries about the same people."""

_HOW: Final = {
    "unsubscribed": "unsubscribed in Mailchimp",
    "complaint": "reported a mail as abuse",
    "cleaned": "address bounced, cleaned by Mailchimp",
}
_IN_EPICOR: Final = {
    "flagged": ("yes", "written and read back"),
    "unchanged": ("yes", "said so already"),
    "created": ("yes", "contact made, with the flag"),
    "updated": ("yes", "said so already, other fields written"),
    "merged": ("see entry", "merged with another record of the same batch"),
    "unmatched": ("no row", "no row in Epicor has this address"),
    "failed": ("no", "could not be written"),
    "quarantined": ("no", "the record is invalid"),
    "refused": ("no", "a rule forbids it"),
    "skipped": ("no", "a setting leaves it out"),
    "ignored": ("no", "means nothing to the target"),
    "corrected": ("no", "corrected by hand"),
}
_LETTERS: Final = {
    "open": "its dead letter waits",
    "in_flight": "its dead letter waits",
    "closed": "its dead letter was closed by hand",
    "corrected": "its dead letter was corrected by hand",
}
"""State of a dead letter whose record was not written → words for it."""


@dataclass(frozen=True, slots=True)
class OptOut:
    """A person who must not be written to.

    Args:
        person: The digest of the address, for a URL.
        address: The e-mail address; None where it was erased.
        since: The time of the first record of the opt-out, as stored.
        happened: The time of the opt-out by the source's clock; None where the source does not have it.
        epicor: `yes` or `no` for whether Epicor has it, else `no row` or `see entry`.
        epicor_detail: Why, in words.
        proof: The first entry about it: run and number.
        latest: The latest: run and number.
    """

    person: str
    address: str | None
    since: str
    happened: str | None
    how: str
    epicor: str
    epicor_detail: str
    confirmed: str
    proof: tuple[int, int]
    latest: tuple[int, int]
    event_id: str | None


@dataclass(frozen=True, slots=True)
class OptOutPage:
    """A page of people.

    Args:
        people: Those on it, by their latest entry, newest first.
        next: The key after which the next page begins; None on the last one.
    """

    people: list[OptOut]
    next: Key | None


def list_opt_outs(connection: sa.Connection, start: Key | None) -> OptOutPage:
    """A page of people who opted out, by the latest entry about it, newest first.

    A page ends after `PAGE` people or `_MOST_READ` entries: it may be short and still not the last.

    Args:
        connection: The transaction to read in.
        start: The key before which the page begins; None for the newest.
    """
    found: list[tuple[Key, bytes]] = []
    last: Key | None = None
    for number_read, (key, person, is_latest) in enumerate(_candidates(connection, start)):
        if len(found) == PAGE or number_read == _MOST_READ:
            break
        last = key
        if is_latest:
            found.append((key, person))
    else:
        last = None
    keys = [key for key, _ in found]
    details = {(one.entry.run_id, one.entry.seq): one for one in load_details(connection, keys)}
    first = _first_entries(connection, keys)
    directions = read_directions(connection)
    people = [
        _to_opt_out(person, details[key.run_id, key.seq], first.get(key), directions) for key, person in found
    ]
    return OptOutPage(people, last)


def all_opt_outs(trail: AuditTrail) -> Iterator[OptOut]:
    """Everyone who opted out, a page at a time: no transaction stays open during a slow download."""
    start: Key | None = None
    while True:
        with trail.database.reading() as connection:
            report = list_opt_outs(connection, start)
        yield from report.people
        if report.next is None:
            return
        start = report.next


_Candidate = tuple[Key, bytes, bool]


def _candidates(connection: sa.Connection, start: Key | None) -> Iterator[_Candidate]:
    """Entries with an opt-out, newest first, each with a mark if it is the latest about its person."""
    return heapq.merge(*(_of_consent(connection, word, start) for word in OPT_OUTS), reverse=True)


def _of_consent(connection: sa.Connection, word: str, start: Key | None) -> Iterator[_Candidate]:
    newer = decisions.alias("newer")
    is_newer = (
        sa.select(newer.c.seq)
        .where(
            same_person(newer.c.person, decisions.c.person),
            sa.tuple_(disable_index(newer.c.recorded_at), newer.c.run_id, newer.c.seq)
            > sa.tuple_(*KEY_COLUMNS),
            is_real_decision(newer),
            is_opt_out(newer) | is_resubscription(newer),
        )
        .exists()
    )
    query = (
        sa.select(*KEY_COLUMNS, decisions.c.person, sa.not_(is_newer))
        .join(runs, runs.c.id == decisions.c.run_id)
        .where(
            decisions.c.consent == word,
            decisions.c.part_of.is_(None),
            decisions.c.person.is_not(None),
            decisions.c.action != "superseded",
            runs.c.dry_run.is_(False),
        )
    )
    for key, (person, is_latest) in newest_first(connection, query, start):
        yield key, person, bool(is_latest)


def _first_entries(connection: sa.Connection, keys: Sequence[Key]) -> dict[Key, sa.Row[Any]]:
    """The first entry of each opt-out that is in force: the first since the person last subscribed again."""
    if not keys:
        return {}
    latest, first, back, out = (decisions.alias(name) for name in ("latest", "first", "back", "out"))
    first_run = runs.alias("first_run")
    came_back = (
        sa.select(sa.func.max(back.c.recorded_at))
        .where(same_person(back.c.person, latest.c.person), is_real_decision(back), is_resubscription(back))
        .correlate(latest)
        .scalar_subquery()
    )
    opted_out_at = (
        sa.select(sa.func.min(out.c.recorded_at))
        .where(
            same_person(out.c.person, latest.c.person),
            disable_index(out.c.recorded_at) > sa.func.coalesce(came_back, ""),
            is_real_decision(out),
            is_opt_out(out),
        )
        .correlate(latest)
        .scalar_subquery()
    )
    query = (
        sa.select(
            latest.c.recorded_at.label("latest_at"),
            latest.c.run_id.label("latest_run"),
            latest.c.seq.label("latest_seq"),
            first.c.recorded_at,
            first.c.run_id,
            first.c.seq,
            first.c.consent,
            first.c.source_updated_on,
            first.c.event_id,
            first_run.c.plugin,
        )
        .select_from(latest)
        .join(
            first,
            same_person(first.c.person, latest.c.person)
            & (disable_index(first.c.recorded_at) == opted_out_at),
        )
        .join(first_run, first_run.c.id == first.c.run_id)
        .where(
            at(keys, latest),
            first_run.c.dry_run.is_(False),
            first.c.part_of.is_(None),
            disable_index(first.c.consent).in_(OPT_OUTS),
            first.c.action != "superseded",
        )
        .order_by(first.c.recorded_at.desc(), first.c.run_id.desc(), first.c.seq.desc())
    )
    rows = connection.execute(query)
    return {Key(row.latest_at, row.latest_run, row.latest_seq): row for row in rows}


def _to_opt_out(
    person: bytes,
    detail: DecisionDetail,
    first: sa.Row[Any] | None,
    directions: Mapping[str, Direction | None],
) -> OptOut:
    latest = detail.entry
    earliest = first or latest
    first_direction, last_direction = directions.get(earliest.plugin), directions.get(latest.plugin)
    from_epicor = first_direction is not None and first_direction.source == EPICOR
    if last_direction is None:
        epicor, why = "see entry", latest.action
    elif last_direction.source == EPICOR:
        epicor, why = "yes", "its own record says so"
    else:
        epicor, why = _IN_EPICOR.get(latest.action, ("see entry", latest.action))
        if latest.dead_letter in _LETTERS:
            epicor, why = "no", f"{why}: {_LETTERS[latest.dead_letter]}"
    return OptOut(
        person=person.hex(),
        address=None if latest.erased else latest.subject,
        since=earliest.recorded_at,
        happened=None if from_epicor or first is None else first.source_updated_on,
        how="opted out in Epicor" if from_epicor else _HOW[earliest.consent or ""],
        epicor=epicor,
        epicor_detail=why,
        confirmed=latest.recorded_at,
        proof=(earliest.run_id, earliest.seq),
        latest=(latest.run_id, latest.seq),
        event_id=first.event_id if first is not None else None,
    )
