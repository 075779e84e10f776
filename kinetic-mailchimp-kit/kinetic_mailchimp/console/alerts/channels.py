"""Sends messages through apprise, which knows the channels: mail, chat, paging and many more."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Protocol

from kinetic_mailchimp.console.alerts.messages import Message
from kinetic_mailchimp.kit.errors import ConfigurationError


class Channel(Protocol):
    """Where messages go."""

    @property
    def name(self) -> str:
        """What it is called in a message about it; tells no secret."""

    def send(self, message: Message) -> bool:
        """Send a message; returns whether it was taken."""


class AppriseChannel:
    """A channel behind one apprise URL.

    Args:
        name: What it is called in a message about it.
        target: Apprise with the URL.
    """

    def __init__(self, name: str, target: Any) -> None:  # noqa: ANN401 - apprise is optional
        self._name = name
        self._target = target

    @property
    def name(self) -> str:
        """What it is called in a message about it."""
        return self._name

    def send(self, message: Message) -> bool:
        """Send a message; returns whether it was taken."""
        kind = "success" if message.is_good else "warning"
        with _silence():
            return bool(
                self._target.notify(
                    title=message.title, body=message.body, notify_type=kind, body_format="text"
                )
            )


def open_channels(urls: Sequence[str]) -> list[AppriseChannel]:
    """The channels behind apprise URLs.

    Args:
        urls: In clear.

    Raises:
        ConfigurationError: If apprise is not installed, or does not know a URL.
    """
    if find_spec("apprise") is None:
        raise ConfigurationError(
            "Alerts need apprise, which is not installed.",
            advice="Install the extra: pip install 'kinetic-mailchimp-kit[alerts]'.",
        )
    # It takes as long to import as the rest of the command line; only this command needs it.
    import apprise  # noqa: PLC0415

    channels = []
    for number, url in enumerate(urls, start=1):
        scheme = url.partition("://")[0] if "://" in url else "no scheme"
        target = apprise.Apprise()
        with _silence():
            is_known = target.add(url)
        if not is_known:
            raise ConfigurationError(
                f"Address {number} of --to or AUDIT_ALERT_URLS ({scheme}) is no apprise URL.",
                advice="Write it as in apprise's list of services, such as mailtos://, slack:// or json://.",
            )
        channels.append(AppriseChannel(f"{number} ({scheme})", target))
    return channels


@contextmanager
def _silence() -> Iterator[None]:
    """Keep apprise's own log away: it tells URLs with their tokens, and addresses."""
    logger = logging.getLogger("apprise")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
