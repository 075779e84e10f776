"""Everyone who opted out: since when, how, whether Epicor says so, and which entry proves it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.audit.storage.schema import decisions, disable_index, runs, same_person
from kinetic_mailchimp.audit.trail.decision import OPT_OUTS
from kinetic_mailchimp.console.pages.stories import PAGE, Key, Story, at, before, load

FORWARD: Final = "target-mailchimp"
_CHUNK: Final = 200
_MOST_LOOKED_AT: Final = 2_000
"""Entries that one page looks at: most of a long list may be older entries about the same people."""

_NOT_BROUGHT_BACK_BY: Final = ("superseded", "failed", "quarantined")
"""An entry with these actions does not bring anybody back, whatever consent it tells of."""

_HOW: Final = {
    "unsubscribed": "unsubscribed in Mailchimp",
    "complaint": "reported a mail as abuse",
    "cleaned": "address bounced, cleaned by Mailchimp",
}
_KEY: Final = (decisions.c.recorded_at, decisions.c.run_id, decisions.c.seq)
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
}
_LETTERS: Final = {
    "open": "its dead letter waits",
    "in_flight": "its dead letter waits",
    "closed": "its dead letter was closed by hand",
}
"""State of a dead letter whose record has not arrived → what is said of it."""


@dataclass(frozen=True, slots=True)
class OptOut:
    """Somebody who must not be written to.

    Args:
        person: What stands for the person in an address.
        address: The e-mail address; None where it was erased.
        since: When it was first recorded that they opted out, as stored.
        happened: When they did, as the source tells it; None where it does not.
        how: In words.
        epicor: Whether Epicor says so: `yes`, `no`, `no row`, or `see entry`.
        epicor_detail: Why, in words.
        confirmed: When that was recorded.
        proof: The first entry that tells it: run and number.
        latest: The latest: run and number.
        event_id: The event that the first entry came from.
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
class Report:
    """A page of people.

    Args:
        people: Those on it, the latest news first.
        next: Where the next page begins; None on the last one.
    """

    people: list[OptOut]
    next: Key | None


def opted_out(connection: sa.Connection, start: Key | None, most: int = PAGE) -> Report:
    """People who opted out, by the latest entry about it, newest first.

    A page ends after so many people, or after so many entries: it may be short and still not the last.
    """
    found: list[tuple[Key, bytes]] = []
    last: Key | None = None
    for looked_at, (key, person, is_latest) in enumerate(_candidates(connection, start)):
        if len(found) == most or looked_at == _MOST_LOOKED_AT:
            break
        last = key
        if is_latest:
            found.append((key, person))
    else:
        last = None
    keys = [key for key, _ in found]
    stories = {(story.entry.run_id, story.entry.seq): story for story in load(connection, keys)}
    first = _first_entries(connection, keys)
    people = [_told(person, stories[key.run_id, key.seq], first.get(key)) for key, person in found]
    return Report(people, last)


@dataclass(frozen=True, slots=True)
class Standing:
    """What was told last about a person's consent.

    Args:
        consent: In the source's word.
        key: The entry that tells it.
        action: What became of it.
    """

    consent: str
    key: Key
    action: str


def standing(connection: sa.Connection, person: bytes) -> Standing | None:
    """What was told last about a person's consent, if anything was."""
    query = (
        sa.select(*_KEY, decisions.c.consent, decisions.c.action)
        .join(runs, runs.c.id == decisions.c.run_id)
        .where(
            same_person(decisions.c.person, person),
            decisions.c.consent.is_not(None),
            decisions.c.part_of.is_(None),
            decisions.c.action != "superseded",
            runs.c.dry_run.is_(False),
        )
        .order_by(*(column.desc() for column in _KEY))
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return Standing(row.consent, Key(row.recorded_at, row.run_id, row.seq), row.action)


_Candidate = tuple[Key, bytes, bool]


def _candidates(connection: sa.Connection, start: Key | None) -> Iterator[_Candidate]:
    """Entries that tell of an opt-out, newest first, and whether each is the latest about its person."""
    return heapq.merge(*(_of_consent(connection, word, start) for word in OPT_OUTS), reverse=True)


def _of_consent(connection: sa.Connection, word: str, start: Key | None) -> Iterator[_Candidate]:
    newer = decisions.alias("newer")
    is_newer = (
        sa.select(newer.c.seq)
        .where(
            same_person(newer.c.person, decisions.c.person),
            sa.tuple_(disable_index(newer.c.recorded_at), newer.c.run_id, newer.c.seq) > sa.tuple_(*_KEY),
            _is_real(newer),
            takes_away(newer) | brings_back(newer),
        )
        .exists()
    )
    query = (
        sa.select(*_KEY, decisions.c.person, sa.not_(is_newer))
        .join(runs, runs.c.id == decisions.c.run_id)
        .where(
            decisions.c.consent == word,
            decisions.c.part_of.is_(None),
            decisions.c.person.is_not(None),
            decisions.c.action != "superseded",
            runs.c.dry_run.is_(False),
        )
        .order_by(*(column.desc() for column in _KEY))
        .limit(_CHUNK)
    )
    while True:
        page = query
        if start is not None:
            page = query.where(decisions.c.recorded_at <= start.recorded_at, before(start))
        rows = connection.execute(page).all()
        for recorded_at, run_id, seq, person, is_latest in rows:
            start = Key(recorded_at, run_id, seq)
            yield start, bytes(person), bool(is_latest)
        if len(rows) < _CHUNK:
            return


def _first_entries(connection: sa.Connection, keys: Sequence[Key]) -> dict[Key, sa.Row[Any]]:
    """The first entry of each opt-out that stands: the first since the person last came back, if ever.

    Args:
        connection: In which transaction.
        keys: The latest entries about them.
    """
    if not keys:
        return {}
    latest, first, back, out = (decisions.alias(name) for name in ("latest", "first", "back", "out"))
    first_run = runs.alias("first_run")
    came_back = (
        sa.select(sa.func.max(back.c.recorded_at))
        .where(same_person(back.c.person, latest.c.person), _is_real(back), brings_back(back))
        .correlate(latest)
        .scalar_subquery()
    )
    opted_out_at = (
        sa.select(sa.func.min(out.c.recorded_at))
        .where(
            same_person(out.c.person, latest.c.person),
            disable_index(out.c.recorded_at) > sa.func.coalesce(came_back, ""),
            _is_real(out),
            takes_away(out),
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


def takes_away(entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """A condition for entries that tell of an opt-out and are not overtaken."""
    return disable_index(entry.c.consent).in_(OPT_OUTS) & (entry.c.action != "superseded")


def brings_back(entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """A condition for entries that tell of somebody who came back."""
    return (disable_index(entry.c.consent) == "subscribed") & entry.c.action.not_in(_NOT_BROUGHT_BACK_BY)


def _is_real(entry: sa.FromClause) -> sa.ColumnElement[bool]:
    """A condition for decisions, not parts, of runs that wrote."""
    run = runs.alias()
    wrote = sa.select(run.c.id).where(run.c.id == entry.c.run_id, run.c.dry_run.is_(False)).correlate(entry)
    return entry.c.part_of.is_(None) & wrote.exists()


def _told(person: bytes, story: Story, first: sa.Row[Any] | None) -> OptOut:
    latest = story.entry
    from_epicor = (first.plugin if first is not None else latest.plugin) == FORWARD
    consent = (first.consent if first is not None else latest.consent) or ""
    epicor, detail = in_epicor(latest.plugin, latest.action)
    if latest.plugin != FORWARD and latest.dead_letter in _LETTERS:
        epicor, detail = "no", f"{detail}: {_LETTERS[latest.dead_letter]}"
    proof = (first.run_id, first.seq) if first is not None else (latest.run_id, latest.seq)
    return OptOut(
        person=person.hex(),
        address=None if latest.erased else latest.subject,
        since=first.recorded_at if first is not None else latest.recorded_at,
        happened=None if from_epicor or first is None else first.source_updated_on,
        how="opted out in Epicor" if from_epicor else _HOW[consent],
        epicor=epicor,
        epicor_detail=detail,
        confirmed=latest.recorded_at,
        proof=proof,
        latest=(latest.run_id, latest.seq),
        event_id=first.event_id if first is not None else None,
    )


def in_epicor(plugin: str, action: str) -> tuple[str, str]:
    """Whether Epicor says so, after the latest decision about an opt-out, and why in words."""
    if plugin == FORWARD:
        return "yes", "its own record says so"
    return _IN_EPICOR.get(action, ("see entry", action))
