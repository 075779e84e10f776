"""Customers who cannot be mailed, and why: by sales rep, with what changed since last month."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from kinetic_mailchimp.audit.state.quality import QUALITY_NAMESPACE, Finding, Flaw
from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

MONTH: Final = timedelta(days=30)
COLUMNS: Final = ("change", "kind", "why", "rep", "row", "address", "since", "gone")


@dataclass(frozen=True, slots=True)
class Flawed:
    """A row with a flaw, or one that had it until less than a month ago.

    Args:
        change: `new` or `gone` where that happened in the last month; else empty.
        why: The flaw in words.
        row: The row, such as `Customer EPIC06/12`.
        person: The digest of the address, for a URL; empty where it has no address.
    """

    change: str
    kind: str
    why: str
    rep: str
    row: str
    address: str
    since: str
    gone: str
    person: str


@dataclass(slots=True)
class QualityReport:
    """Counts of rows with flaws, and the first ones of them.

    Args:
        flawed: A page of the rows, the newest first; those that are gone last.
        matching: The number of rows of which it is a page.
        counts: Rows by sales rep and flaw, those alone that hold.
        changes: Rows by flaw and change: how many are new and gone in the last month.
    """

    flawed: list[Flawed] = field(default_factory=list)
    matching: int = 0
    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    changes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    @property
    def kinds(self) -> list[Flaw]:
        """The flaws that there are, in their order."""
        return [kind for kind in Flaw if self.changes.get(kind)]

    def total(self, kind: str) -> int:
        """The number of rows that have a flaw."""
        return sum(of_rep[kind] for of_rep in self.counts.values())


@dataclass(frozen=True, slots=True)
class QualityFilter:
    """The rows that are wanted.

    Args:
        rep: Only rows of one sales rep; empty for those that have none; None for all.
        kinds: Only these flaws; all without any.
    """

    rep: str | None = None
    kinds: frozenset[str] = frozenset()

    def takes(self, finding: Finding) -> bool:
        """Tell whether a row is one of them."""
        is_of_rep = self.rep is None or finding.rep == self.rep
        return is_of_rep and (not self.kinds or finding.kind in self.kinds)


def read_quality(
    trail: AuditTrail, wanted: QualityFilter, *, counted: QualityFilter, start: int = 0, length: int
) -> QualityReport:
    """The findings of the ledger as a report; it reads these, and no decision, and holds a page of them.

    Args:
        trail: Where they are.
        wanted: The rows that are shown.
        counted: Those that the counts are about.
        start: The number of rows before the page.
        length: Rows of a page.
    """
    edge, report = _edge(trail), QualityReport()

    def shown() -> Iterator[tuple[str, Finding]]:
        for key, finding in _findings(trail, edge):
            if counted.takes(finding):
                report.changes[finding.kind][_change(finding, edge)] += 1
                if not finding.gone:
                    report.counts[finding.rep][finding.kind] += 1
            if wanted.takes(finding):
                report.matching += 1
                yield key, finding

    newest = heapq.nlargest(start + length, shown(), key=lambda one: (not one[1].gone, one[1].since))
    report.flawed = [_flawed(trail, key, finding, edge) for key, finding in newest[start:]]
    return report


def all_flawed(trail: AuditTrail, wanted: QualityFilter) -> Iterator[Flawed]:
    """The rows by flaw and name, one by one: for a file, whose reader sorts them."""
    edge = _edge(trail)
    for key, finding in _findings(trail, edge):
        if wanted.takes(finding):
            yield _flawed(trail, key, finding, edge)


def _edge(trail: AuditTrail) -> str:
    """The time since which a row is new, or gone."""
    return format_timestamp(trail.clock() - MONTH)


def _findings(trail: AuditTrail, edge: str) -> Iterator[tuple[str, Finding]]:
    """The findings that hold, or held in the last month."""
    for key, value in trail.ledger(QUALITY_NAMESPACE).items():
        finding = Finding.from_json(value)
        if not finding.gone or finding.gone >= edge:
            yield key, finding


def _change(finding: Finding, edge: str) -> str:
    return "gone" if finding.gone else "new" if finding.since >= edge else ""


def _flawed(trail: AuditTrail, key: str, finding: Finding, edge: str) -> Flawed:
    address = finding.address
    return Flawed(
        change=_change(finding, edge),
        kind=finding.kind,
        why=Flaw(finding.kind).sentence,
        rep=finding.rep,
        row=key.split("/", 2)[-1],
        address=address,
        since=finding.since,
        gone=finding.gone,
        person=trail.person(address).hex() if "@" in address else "",
    )
