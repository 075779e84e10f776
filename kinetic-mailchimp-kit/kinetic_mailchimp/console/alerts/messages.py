"""Messages for people: one short text about one condition."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from kinetic_mailchimp.audit.reading.formatting import format_time


class State(enum.Enum):
    """State of a condition when a message about it is due."""

    NEW = "new"
    STILL = "still"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message that is due.

    Args:
        since: Its beginning, as stored.
        advice: What to do; empty when it is over.
    """

    key: str
    state: State
    what: str
    since: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A message for a channel."""

    title: str
    body: str
    is_good: bool = False


_TITLES = {
    "run_failed": "A run failed",
    "run_overdue": "A pipeline does not run",
    "job_failed": "A run broke on its way",
    "refused": "Deliveries are refused",
    "failures": "Too many records failed",
    "opt_out_waiting": "Opt-outs do not arrive",
    "events_unread": "Events from Mailchimp wait",
    "receiver": "The webhook receiver is not well",
    "webhook": "A webhook needs attention",
    "webhook_status": "The webhooks cannot be watched",
    "drift": "Epicor and Mailchimp differ",
}


def compose(notice: Notice, now: str) -> Message:
    """Write the message about a condition.

    Args:
        notice: The message that is due.
        now: The present time, as stored.
    """
    kind = notice.key.partition(":")[0]
    title = _TITLES.get(kind, kind)
    since = f"{format_time(notice.since)} UTC"
    if notice.state is State.OVER:
        until = f"{format_time(now)} UTC"
        return Message(
            f"Over: {title}", f"This is over: {notice.what}\nIt lasted from {since} to {until}.", is_good=True
        )
    again = "Still: " if notice.state is State.STILL else ""
    return Message(f"{again}{title}", f"{notice.what}\nSince: {since}\nWhat to do: {notice.advice}")
