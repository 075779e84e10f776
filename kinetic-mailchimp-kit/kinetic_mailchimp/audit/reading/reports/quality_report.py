"""Customers who cannot be mailed, and why: by sales rep, with what changed since last month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Rows with flaws, and their counts.

    Args:
        flawed: The rows, the newest first; those that are gone last.
        counts: Rows by sales rep and flaw, those alone that hold.
        changes: Rows by flaw and change: how many are new and gone in the last month.
    """

    flawed: list[Flawed]
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    changes: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def kinds(self) -> list[Flaw]:
        """The flaws that there are, in their order."""
        return [kind for kind in Flaw if self.changes.get(kind)]

    def total(self, kind: str) -> int:
        """The number of rows that have a flaw."""
        return sum(of_rep[kind] for of_rep in self.counts.values())


def read_quality(
    trail: AuditTrail, *, rep: str | None = None, kinds: Iterable[str] = (), since: timedelta = MONTH
) -> QualityReport:
    """The findings of the ledger as a report; it reads these, and no decision.

    Args:
        trail: Where they are.
        rep: Only rows of one sales rep; empty for those that have none.
        kinds: Only these flaws.
        since: The age up to which a row is new or gone.
    """
    edge, wanted = format_timestamp(trail.clock() - since), set(kinds)
    report = QualityReport([])
    for key, value in trail.ledger(QUALITY_NAMESPACE).items():
        finding = Finding.from_json(value)
        if (finding.gone and finding.gone < edge) or (rep is not None and finding.rep != rep):
            continue
        if wanted and finding.kind not in wanted:
            continue
        flawed = _flawed(trail, key, finding, edge)
        report.flawed.append(flawed)
        report.changes.setdefault(finding.kind, Counter())[flawed.change] += 1
        if not finding.gone:
            report.counts.setdefault(finding.rep, Counter())[finding.kind] += 1
    report.flawed.sort(key=lambda one: one.row)
    report.flawed.sort(key=lambda one: (not one.gone, one.since), reverse=True)
    return report


def _flawed(trail: AuditTrail, key: str, finding: Finding, edge: str) -> Flawed:
    change = "gone" if finding.gone else "new" if finding.since >= edge else ""
    address = finding.address
    return Flawed(
        change=change,
        kind=finding.kind,
        why=Flaw(finding.kind).sentence,
        rep=finding.rep,
        row=key.split("/", 2)[-1],
        address=address,
        since=finding.since,
        gone=finding.gone,
        person=trail.person(address).hex() if "@" in address else "",
    )
