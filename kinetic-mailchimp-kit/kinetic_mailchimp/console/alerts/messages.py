"""What a person reads: one short message about one cause."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from kinetic_mailchimp.audit.cli.render import moment


class State(enum.Enum):
    """Where a cause is when a message about it is due."""

    NEW = "new"
    STILL = "still"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message that is due.

    Args:
        cause: The key of the cause.
        state: Whether it is new, still there, or over.
        what: What is, or was, wrong.
        since: Since when, as stored.
        advice: What to do; empty when it is over.
    """

    cause: str
    state: State
    what: str
    since: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Args:
        title: One line.
        body: A few lines.
        is_good: Whether it is good news.
    """

    title: str
    body: str
    is_good: bool = False


_TITLES = {
    "run_failed": "A run failed",
    "failures": "Too many records failed",
    "opt_out_waiting": "Opt-outs do not arrive",
    "events_unread": "Events from Mailchimp wait",
    "receiver": "The webhook receiver is not well",
    "webhook": "A webhook needs attention",
    "webhook_status": "The webhooks cannot be watched",
    "drift": "Epicor and Mailchimp differ",
}


def compose(notice: Notice, now: str) -> Message:
    """The message about a cause.

    Args:
        notice: What is due.
        now: The present time, as stored.
    """
    kind = notice.cause.partition(":")[0]
    title = _TITLES.get(kind, kind)
    since = f"{moment(notice.since)} UTC"
    if notice.state is State.OVER:
        until = f"{moment(now)} UTC"
        return Message(
            f"Over: {title}", f"This is over: {notice.what}\nIt lasted from {since} to {until}.", is_good=True
        )
    again = "Still: " if notice.state is State.STILL else ""
    return Message(f"{again}{title}", f"{notice.what}\nSince: {since}\nWhat to do: {notice.advice}")
