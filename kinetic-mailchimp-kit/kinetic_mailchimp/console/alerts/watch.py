"""One look at everything, and a message about each cause that is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetic_mailchimp.console.alerts.causes import Judgement
from kinetic_mailchimp.console.alerts.channels import Channel
from kinetic_mailchimp.console.alerts.memory import AlertMemory
from kinetic_mailchimp.console.alerts.messages import Message, compose
from kinetic_mailchimp.kit.timestamps import format_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a look came to.

    Args:
        sent: Messages that at least one channel took.
        unsent: Messages that none took; the next look sends them.
        failed_channels: The names of channels that did not take a message.
    """

    sent: tuple[Message, ...]
    unsent: tuple[Message, ...]
    failed_channels: tuple[str, ...]


def tell(
    memory: AlertMemory,
    judgement: Judgement,
    channels: Sequence[Channel],
    *,
    now: datetime,
    quiet: timedelta,
) -> Outcome:
    """Send what is due, and remember what was sent.

    Args:
        memory: What was told before.
        judgement: What the rules say.
        channels: Where messages go.
        now: When the facts were looked at.
        quiet: So long a cause that persists is not told again.

    Raises:
        TransientError: If the audit database did not answer.
    """
    sent: list[Message] = []
    unsent: list[Message] = []
    failed: dict[str, None] = {}
    notices = memory.take(judgement, now, quiet)
    for position, notice in enumerate(notices):
        message = compose(notice, format_timestamp(now))
        try:
            refused = [channel.name for channel in channels if not channel.send(message)]
        except BaseException:
            memory.give_back(notices[position:])
            raise
        failed.update(dict.fromkeys(refused))
        if len(refused) < len(channels):
            memory.told([notice], now)
            sent.append(message)
        else:
            memory.give_back([notice])
            unsent.append(message)
    return Outcome(sent=tuple(sent), unsent=tuple(unsent), failed_channels=tuple(failed))
