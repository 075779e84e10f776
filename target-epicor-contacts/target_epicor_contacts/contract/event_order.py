"""Orders the events of one person by the time at which they happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

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
        event_id: Distinguishes a repetition of an event from another event of the same second.
        sequence: The order of arrival at the source, where it numbers its events.
        claimed: The time that the source claimed, where it was in the future and `at` was cut to the receipt.
    """

    at: datetime
    event_id: str
    sequence: int | None = None
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
