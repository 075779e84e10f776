"""Says which of two events about one person is the newer one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any


class Age(Enum):
    """How an event stands to the one that was applied last."""

    OLDER = "older"
    SAME = "same"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Moment:
    """When an event happened.

    Attributes:
        at: UTC. Mailchimp tells whole seconds, so equal times are common.
        sequence: The order of arrival at the source, where it numbers its events.
        event_id: Tells a repetition of an event from another event of the same second.
    """

    at: datetime
    sequence: int | None
    event_id: str

    def age(self, than: Moment | None) -> Age:
        """Whether this event is older or newer than another; equal times are decided by the sequence.

        Two events of one time of which one has no number count as `SAME`: who asks decides what is safe.
        """
        if than is None:
            return Age.NEWER
        if self.event_id == than.event_id:
            return Age.SAME
        if self.at != than.at:
            return Age.NEWER if self.at > than.at else Age.OLDER
        if self.sequence is None or than.sequence is None or self.sequence == than.sequence:
            return Age.SAME
        return Age.NEWER if self.sequence > than.sequence else Age.OLDER

    def to_json(self) -> dict[str, Any]:
        """A form to store."""
        return {"at": self.at.isoformat(), "sequence": self.sequence, "event_id": self.event_id}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Moment:
        """What `to_json` made."""
        return cls(datetime.fromisoformat(stored["at"]), stored["sequence"], stored["event_id"])
