"""Delivery of the messages that are due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kinetic_mailchimp.console.alerts.channels import Channel
from kinetic_mailchimp.console.alerts.conditions import Evaluation
from kinetic_mailchimp.console.alerts.messages import Message, compose
from kinetic_mailchimp.console.alerts.store import AlertStore
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The result of sending.

    Args:
        sent: Messages that at least one channel took.
        unsent: Messages that none took; the next run sends them.
        failed_channels: The names of channels that did not take a message.
    """

    sent: tuple[Message, ...]
    unsent: tuple[Message, ...]
    failed_channels: tuple[str, ...]


def send_due(
    store: AlertStore,
    evaluation: Evaluation,
    channels: Sequence[Channel],
    *,
    now: datetime,
    quiet: timedelta,
) -> Delivery:
    """Send the messages that are due, and store which were sent.

    Raises:
        TransientError: If the audit database did not answer.
    """
    sent: list[Message] = []
    unsent: list[Message] = []
    failed: dict[str, None] = {}
    notices = store.claim(evaluation, now, quiet)
    for position, notice in enumerate(notices):
        message = compose(notice, format_timestamp(now))
        try:
            refused = [channel.name for channel in channels if not channel.send(message)]
        except BaseException:
            store.release(notices[position:])
            raise
        failed.update(dict.fromkeys(refused))
        if len(refused) < len(channels):
            store.mark_sent(notice, now)
            sent.append(message)
        else:
            store.release([notice])
            unsent.append(message)
    return Delivery(sent=tuple(sent), unsent=tuple(unsent), failed_channels=tuple(failed))
