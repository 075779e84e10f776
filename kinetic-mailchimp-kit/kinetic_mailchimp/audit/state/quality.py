"""Source rows that cannot be mailed, and why: kept in the ledger, each since when and until when."""

from __future__ import annotations

import enum
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from kinetic_mailchimp.audit.state.ledger import Ledger
from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.kit.parsing.timestamps import Clock, format_timestamp

QUALITY_NAMESPACE: Final = "target-mailchimp/quality"
"""The namespace of the ledger that holds the findings, by their topic and their row."""
KEPT_FOR: Final = timedelta(days=93)
"""Time for which a finding that is gone is kept, to be shown as gone."""


class Flaw(enum.StrEnum):
    """Reason why a row cannot be mailed, or should be looked at."""

    NO_ADDRESS = "no_address"
    SEVERAL_ADDRESSES = "several_addresses"
    BAD_ADDRESS = "bad_address"
    BOUNCED = "bounced"
    REFUSED = "refused"
    DUPLICATE = "duplicate"

    @property
    def sentence(self) -> str:
        """Explanation in words."""
        return _SENTENCES[self]


_SENTENCES: Final = {
    Flaw.NO_ADDRESS: "The customer has no address.",
    Flaw.SEVERAL_ADDRESSES: "Several addresses in one field, and nothing says which one is meant.",
    Flaw.BAD_ADDRESS: "Not an address, or one that Mailchimp does not take.",
    Flaw.BOUNCED: "Mails came back; Mailchimp has cleaned the address.",
    Flaw.REFUSED: "Mailchimp, or a rule of consent, refuses the person.",
    Flaw.DUPLICATE: "Other customers have the same address.",
}


class Finding(LedgerValue, frozen=True):
    """A row and what is wrong with it.

    Attributes:
        kind: The flaw.
        since: When it was found, as stored.
        address: The address, or what stands in its place; empty where there is none.
        rep: The sales rep of the row; empty where its record names none.
        group: The audience and the subscriber hash of the member whose state shows it.
        gone: When it was found no more, as stored; empty while it holds.
    """

    kind: str
    since: str
    address: str = ""
    rep: str = ""
    group: str = ""
    gone: str = ""


FindingChanges = dict[str, Finding | None]
"""Key of a finding → the finding from now on; None to forget it."""


class Findings:
    """The findings as a run knows them. Safe to use from several threads.

    Args:
        ledger: The namespace `QUALITY_NAMESPACE` of the trail; it is read at the first use.
        clock: Returns the present time.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Finding] | None = None
        self._stale: FindingChanges = {}
        self._of_group: dict[tuple[str, str], set[str]] = defaultdict(set)

    def of_row(self, source: str, kind: Flaw | None, address: str = "", rep: str = "") -> FindingChanges:
        """The changes once a row was decided about.

        Args:
            source: The row.
            kind: The flaw of its address; None where it has none.
            address: What the record has in the place of its address.
            rep: The sales rep of the row.
        """
        with self._lock:
            changes = self._begin()
            self._put(changes, f"address/{source}", None if kind is None else self._new(kind, address, rep))
            for topic in (Flaw.BOUNCED, Flaw.DUPLICATE) if rep else ():
                known = self._open(f"{topic}/{source}")
                if known and known.rep != rep:
                    self._keep(changes, f"{topic}/{source}", replace(known, rep=rep))
            return changes

    def of_member(
        self,
        kind: Flaw,
        group: str,
        address: str,
        sources: Iterable[str],
        rep_of: Callable[[str], str],
    ) -> FindingChanges:
        """The changes once the state of a member is another one.

        Args:
            kind: The flaw.
            group: The audience and the subscriber hash.
            address: Its address.
            sources: The rows with that flaw now.
            rep_of: Finds the sales rep of a row; asked about new findings alone.
        """
        with self._lock:
            changes = self._begin()
            wanted = {f"{kind}/{source}": source for source in sources}
            for key in self._of_group.get((kind, group), set()) - wanted.keys():
                self._put(changes, key, None)
            for key, source in wanted.items():
                known = self._open(key)
                rep = known.rep if known else rep_of(source)
                self._put(changes, key, replace(self._new(kind, address, rep), group=group))
            return changes

    def _begin(self) -> FindingChanges:
        """The changes that are due anyhow: what was shown as gone for long enough is forgotten."""
        if self._known is None:
            oldest = format_timestamp(self._clock() - KEPT_FOR)
            self._known = {}
            for key, value in self._ledger.items():
                finding = Finding.from_json(value)
                if finding.gone and finding.gone < oldest:
                    self._stale[key] = None
                else:
                    self._note(key, finding)
        due, self._stale = self._stale, {}
        return due

    def _new(self, kind: Flaw, address: str, rep: str) -> Finding:
        return Finding(kind.value, format_timestamp(self._clock()), address, rep)

    def _open(self, key: str) -> Finding | None:
        found = (self._known or {}).get(key)
        return found if found and not found.gone else None

    def _put(self, changes: FindingChanges, key: str, finding: Finding | None) -> None:
        known = self._open(key)
        if finding is None:
            if known:
                self._keep(changes, key, replace(known, gone=format_timestamp(self._clock())))
        elif known is None or known.kind != finding.kind:
            self._keep(changes, key, finding)
        elif known != (same := replace(finding, since=known.since)):
            self._keep(changes, key, same)

    def _keep(self, changes: FindingChanges, key: str, finding: Finding) -> None:
        changes[key] = finding
        self._note(key, finding)

    def _note(self, key: str, finding: Finding) -> None:
        known = self._known if self._known is not None else {}
        if (before := known.get(key)) and before.group:
            self._of_group[before.kind, before.group].discard(key)
        known[key] = finding
        if finding.group and not finding.gone:
            self._of_group[finding.kind, finding.group].add(key)
