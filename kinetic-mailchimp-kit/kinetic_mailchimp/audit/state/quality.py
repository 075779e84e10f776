"""Source rows that cannot be mailed, and why: kept in the ledger, each since when and until when."""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from kinetic_mailchimp.audit.state.ledger import Ledger, LedgerChanges
from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.kit.parsing.timestamps import Clock, format_timestamp

QUALITY_NAMESPACE: Final = "target-mailchimp/quality"
"""The namespace of the ledger that holds the findings, by their topic and their row."""
GROUPS_NAMESPACE: Final = f"{QUALITY_NAMESPACE}/groups"
"""The namespace that holds the rows with a finding of each member, by `flaw|group`."""
KEPT_FOR: Final = timedelta(days=93)
"""Time for which a finding that is gone is kept, to be shown as gone."""
_FORGOTTEN_AT_ONCE: Final = 5_000
_FILTER_BITS: Final = 1 << 23


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


class RowVerdict(msgspec.Struct, frozen=True, gc=False):
    """The flaw of the address of a row that was decided about.

    Attributes:
        source: The row.
        kind: The flaw; None where it has none.
        address: What the record has in the place of its address.
        rep: The sales rep of the row.
    """

    source: str
    kind: Flaw | None = None
    address: str = ""
    rep: str = ""

    @property
    def key(self) -> str:
        """The key of its finding."""
        return f"address/{self.source}"


class MemberVerdict(msgspec.Struct, frozen=True, gc=False):
    """The rows that have a flaw because of the state of their member.

    Attributes:
        kind: The flaw.
        group: The audience and the subscriber hash.
        address: Its address.
        sources: The rows with that flaw now.
    """

    kind: Flaw
    group: str
    address: str = ""
    sources: Sequence[str] = ()

    @property
    def key(self) -> str:
        """The key of its rows in `GROUPS_NAMESPACE`."""
        return f"{self.kind}|{self.group}"


class Findings:
    """Decides how the findings change. Safe to use from several threads.

    A run reads those that a decision is about, and holds none: it only remembers which rows may have one.

    Args:
        ledger: Opens a namespace of the trail; the findings are looked through at the first use.
        clock: Returns the present time.
    """

    def __init__(self, ledger: Callable[[str], Ledger], clock: Clock) -> None:
        self._ledger = ledger(QUALITY_NAMESPACE)
        self._groups = ledger(GROUPS_NAMESPACE)
        self._clock = clock
        self._lock = threading.Lock()
        self._may_be_known: _Filter | None = None
        self._stale: list[str] = []

    def changes(
        self,
        rows: Sequence[RowVerdict],
        members: Sequence[MemberVerdict] = (),
        rep_of: Callable[[str], str] = lambda _: "",
    ) -> LedgerChanges:
        """The changes of the ledger once rows were decided about, or members have another state.

        What was shown as gone for long enough is forgotten beside.

        Args:
            rows: The later one counts, where there are two about one row.
            members: One of a member and flaw.
            rep_of: Finds the sales rep of a row; asked about new findings of members alone.
        """
        with self._lock:
            known = self._look_through()
            stale, self._stale = self._stale, []
            # Nearly all members have no row with a flaw, and never had one.
            members = [one for one in members if one.sources or one.key in known]
            of_group = self._groups.get_many((one.key for one in members if one.key in known), _READ_GROUP)
            wanted = [one.key for one in rows]
            wanted += (f"{topic}/{one.source}" for one in rows if one.rep for topic in _OF_MEMBERS)
            for one in members:
                before = of_group.get(one.key, _Group()).rows
                wanted += (f"{one.kind}/{source}" for source in (*one.sources, *before))
            found = self._ledger.get_many((key for key in wanted if key in known), _READ)
            draft = _Draft(found, dict.fromkeys(stale), format_timestamp(self._clock()))
            for row in rows:
                draft.decide_row(row)
            for one in members:
                draft.decide_member(one, of_group.get(one.key, _Group()).rows, rep_of)
            for key in (*draft.changes, *draft.groups):
                known.add(key)
            return {QUALITY_NAMESPACE: draft.changes, GROUPS_NAMESPACE: draft.groups}

    def _look_through(self) -> _Filter:
        if self._may_be_known is None:
            oldest = format_timestamp(self._clock() - KEPT_FOR)
            self._may_be_known = _Filter()
            for key, value in self._ledger.items():
                finding = Finding.from_json(value)
                if not finding.gone:
                    self._may_be_known.add(key)
                    if finding.group:
                        self._may_be_known.add(f"{finding.kind}|{finding.group}")
                elif finding.gone < oldest and len(self._stale) < _FORGOTTEN_AT_ONCE:
                    self._stale.append(key)
        return self._may_be_known


_OF_MEMBERS: Final = (Flaw.BOUNCED, Flaw.DUPLICATE)


class _Group(LedgerValue, frozen=True):
    """The rows of a member that have a finding."""

    rows: tuple[str, ...] = ()


_READ: Final = msgspec.json.Decoder(Finding).decode
_READ_GROUP: Final = msgspec.json.Decoder(_Group).decode


class _Draft:
    """The changes of the findings after one decision and the next."""

    def __init__(self, found: Mapping[str, Finding], stale: Mapping[str, None], now: str) -> None:
        self.changes: dict[str, Finding | None] = {**stale}
        self.groups: dict[str, _Group | None] = {}
        self._open = {key: finding for key, finding in found.items() if not finding.gone}
        self._now = now

    def decide_row(self, row: RowVerdict) -> None:
        finding = Finding(row.kind.value, self._now, row.address, row.rep) if row.kind else None
        self._put(row.key, finding)
        for topic in _OF_MEMBERS if row.rep else ():
            known = self._open.get(key := f"{topic}/{row.source}")
            if known and known.rep != row.rep:
                self._keep(key, replace(known, rep=row.rep))

    def decide_member(self, one: MemberVerdict, before: Iterable[str], rep_of: Callable[[str], str]) -> None:
        rows = tuple(sorted(one.sources))
        for source in {*before} - {*rows}:
            known = self._open.get(key := f"{one.kind}/{source}")
            if known and known.group == one.group:
                self._put(key, None)
        for source in rows:
            known = self._open.get(key := f"{one.kind}/{source}")
            rep = known.rep if known else rep_of(source)
            self._put(key, Finding(one.kind.value, self._now, one.address, rep, one.group))
        if rows != tuple(before):
            self.groups[one.key] = _Group(rows) if rows else None

    def _put(self, key: str, finding: Finding | None) -> None:
        known = self._open.get(key)
        if finding is None:
            if known:
                self._keep(key, replace(known, gone=self._now))
        elif known is None or known.kind != finding.kind:
            self._keep(key, finding)
        elif known != (same := replace(finding, since=known.since)):
            self._keep(key, same)

    def _keep(self, key: str, finding: Finding) -> None:
        self.changes[key] = self._open[key] = finding
        if finding.gone:
            del self._open[key]


class _Filter:
    """Tells in a megabyte which keys may be known; of a million, it takes one in twenty others for known."""

    def __init__(self) -> None:
        self._bits = bytearray(_FILTER_BITS // 8)

    def add(self, key: str) -> None:
        for place in _places(key):
            self._bits[place >> 3] |= 1 << (place & 7)

    def __contains__(self, key: str) -> bool:
        one, other = _places(key)
        return bool(self._bits[one >> 3] >> (one & 7) & self._bits[other >> 3] >> (other & 7) & 1)


def _places(key: str) -> tuple[int, int]:
    number = hash(key)
    return number % _FILTER_BITS, (number >> 32) % _FILTER_BITS
