"""Orders the events of one person by the time at which they happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, parse_timestamp

_OF_ONE_CLOCK = timedelta(minutes=10)
"""Two times by which a clock was ahead differ by less, where it was one clock: the rest are delays."""


class Age(Enum):
    """Age of an event beside the one that was applied last."""

    OLDER = "older"
    SAME = "same"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class EventTime:
    """The time of an event.

    Attributes:
        at: UTC. Mailchimp has whole seconds, so equal times are common.
        sequence: The order of arrival at the source, where it numbers its events.
        event_id: Distinguishes a repetition of an event from another event of the same second.
        claimed: The time that the source claimed, where it was in the future and `at` was cut to the receipt.
    """

    at: datetime
    sequence: int | None
    event_id: str
    claimed: datetime | None = None

    @property
    def by_source(self) -> datetime:
        """The time by the clock of the source."""
        return self.claimed or self.at

    @property
    def ahead(self) -> timedelta:
        """The time by which the clock of the source was ahead."""
        return self.by_source - self.at

    def age(self, than: EventTime | None) -> Age:
        """The age of this event beside another one; equal times are decided by the sequence.

        Two events of one time of which one has no number count as `SAME`: the caller decides what is safe.
        """
        if than is None:
            return Age.NEWER
        if self.event_id == than.event_id:
            return Age.SAME
        mine, other = self.at, than.at
        of_one_clock = abs(self.ahead - than.ahead) <= _OF_ONE_CLOCK
        if self.claimed and than.claimed and of_one_clock:
            mine, other = self.claimed, than.claimed
        # Where the clock of one of them was wrong, or a time made up, only the order of arrival is known.
        one_was_cut = (self.claimed is None) is not (than.claimed is None) or not of_one_clock
        if mine != other and not (one_was_cut and self.sequence is not None and than.sequence is not None):
            return Age.NEWER if mine > other else Age.OLDER
        if self.sequence is None or than.sequence is None or self.sequence == than.sequence:
            return Age.SAME
        return Age.NEWER if self.sequence > than.sequence else Age.OLDER

    def to_json(self) -> dict[str, Any]:
        """A form to store."""
        claimed = {"claimed": format_timestamp(self.claimed)} if self.claimed else {}
        stored = {"at": format_timestamp(self.at), "sequence": self.sequence, "event_id": self.event_id}
        return {**stored, **claimed}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> EventTime:
        """Read what `to_json` made."""
        claimed = stored.get("claimed")
        return cls(
            parse_timestamp(stored["at"]),
            stored["sequence"],
            stored["event_id"],
            parse_timestamp(claimed) if claimed else None,
        )
