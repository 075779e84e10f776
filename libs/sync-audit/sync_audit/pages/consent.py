"""Everyone who opted out: since when, how, whether Epicor says so, and which entry proves it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from sync_audit.pages.stories import PAGE, Key, Story, before, load
from sync_audit.schema import decisions, runs

OPT_OUTS: Final = ("unsubscribed", "complaint", "cleaned")
"""What a decision says about consent when the person must not be written to."""

FORWARD: Final = "target-mailchimp"
_CHUNK: Final = 200
_MOST_LOOKED_AT: Final = 2_000
"""Entries that one page looks at: most of a long list may be older entries about the same people."""

_NOT_TAKEN_BACK_BY: Final = ("superseded", "failed", "quarantined")
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
    stories = {
        (story.entry.run_id, story.entry.seq): story for story in load(connection, [key for key, _ in found])
    }
    people = [
        _told(person, stories[key.run_id, key.seq], _first(connection, person)) for key, person in found
    ]
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
            decisions.c.person == person,
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
    newer_run = runs.alias("newer_run")
    is_newer = (
        sa.select(newer.c.seq)
        .join(newer_run, newer_run.c.id == newer.c.run_id)
        .where(
            newer.c.person == decisions.c.person,
            newer.c.recorded_at >= decisions.c.recorded_at,
            sa.tuple_(newer.c.recorded_at, newer.c.run_id, newer.c.seq) > sa.tuple_(*_KEY),
            newer.c.part_of.is_(None),
            newer_run.c.dry_run.is_(False),
            sa.or_(
                newer.c.consent.in_(OPT_OUTS) & (newer.c.action != "superseded"),
                (newer.c.consent == "subscribed") & newer.c.action.not_in(_NOT_TAKEN_BACK_BY),
            ),
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


def _first(connection: sa.Connection, person: bytes) -> sa.Row[Any] | None:
    """The first entry of the opt-out that stands: the first since the person last came back, if ever."""
    of_person = (
        sa.select(
            *_KEY, decisions.c.consent, decisions.c.source_updated_on, decisions.c.event_id, runs.c.plugin
        )
        .join(runs, runs.c.id == decisions.c.run_id)
        .where(decisions.c.person == person, decisions.c.part_of.is_(None), runs.c.dry_run.is_(False))
        .limit(1)
    )
    back = connection.execute(
        of_person.where(
            decisions.c.consent == "subscribed", decisions.c.action.not_in(_NOT_TAKEN_BACK_BY)
        ).order_by(*(column.desc() for column in _KEY))
    ).first()
    opt_out = of_person.where(decisions.c.consent.in_(OPT_OUTS), decisions.c.action != "superseded")
    if back is not None:
        key = Key(back.recorded_at, back.run_id, back.seq)
        opt_out = opt_out.where(
            decisions.c.recorded_at >= key.recorded_at,
            sa.tuple_(*_KEY) > sa.tuple_(*map(sa.literal, (key.recorded_at, key.run_id, key.seq))),
        )
    return connection.execute(opt_out.order_by(*_KEY)).first()


def _told(person: bytes, story: Story, first: sa.Row[Any] | None) -> OptOut:
    latest = story.entry
    from_epicor = (first.plugin if first is not None else latest.plugin) == FORWARD
    consent = (first.consent if first is not None else latest.consent) or ""
    epicor, detail = in_epicor(latest.plugin, latest.action)
    if latest.dead_letter in ("open", "handed_out"):
        epicor, detail = "no", f"{detail}: its dead letter waits"
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
