"""Channels of messages, through apprise: mail, chat, paging and many more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Protocol

import requests
import requests.sessions
from typing_extensions import override

from kinetic_mailchimp.console.alerts.messages import Message
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.response_bounds import BoundedAdapter, ResponseLimits, TooLargeError

_LIMITS: Final = ResponseLimits(mib=1, seconds=60)
_PIECE: Final = 8_192
PATIENCE_SECONDS: Final = 120.0
"""For a message as a whole: mail and other protocols than HTTP have bounds between two bytes alone."""


class Channel(Protocol):
    """A channel that messages are sent to."""

    name: str
    """Without secrets, for messages about the channel."""

    def send(self, message: Message) -> bool:
        """Send a message; False if the channel did not take it."""


@dataclass
class AppriseChannel:
    """A channel behind one apprise URL.

    Args:
        name: A name without secrets, for messages about the channel.
    """

    name: str
    _target: Any  # apprise is optional

    def send(self, message: Message) -> bool:
        """Send a message; False if the channel did not take it, or not in time."""
        taken: list[bool] = []
        sending = threading.Thread(
            target=lambda: taken.append(self._notify(message)), name="alert", daemon=True
        )
        sending.start()
        sending.join(PATIENCE_SECONDS)
        return taken == [True]

    def _notify(self, message: Message) -> bool:
        kind = "success" if message.is_good else "warning"
        with _silence(), _bounds():
            try:
                return bool(
                    self._target.notify(
                        title=message.title, body=message.body, notify_type=kind, body_format="text"
                    )
                )
            except Exception:  # noqa: BLE001 (of whatever library it is, its text could hold the URL)
                return False


def open_channels(urls: Sequence[str]) -> list[AppriseChannel]:
    """Open the channels behind apprise URLs.

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
                f"URL {number} of --to or AUDIT_ALERT_URLS ({scheme}) is not a valid apprise URL.",
                advice="Write it as in apprise's list of services, such as mailtos://, slack:// or json://.",
            )
        channels.append(AppriseChannel(f"{number} ({scheme})", target))
    return channels


class _BriefAnswers(BoundedAdapter):
    """Reads each answer at once, and no more of it than a service has to say about a message."""

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 (passed on)
        super().__init__(_LIMITS, **arguments)

    @override
    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        body = bytearray()
        for piece in response.iter_content(_PIECE):
            body += piece
            if len(body) > _LIMITS.size:
                raise TooLargeError
        response._content = bytes(body)  # noqa: SLF001 (as `requests` itself keeps what it has read)
        return response


@contextmanager
def _bounds() -> Iterator[None]:
    """Hold the answers to limits that apprise waits for: it makes a session of its own for each call."""
    before = requests.sessions.HTTPAdapter
    requests.sessions.HTTPAdapter = _BriefAnswers  # type: ignore[assignment]
    try:
        yield
    finally:
        requests.sessions.HTTPAdapter = before


@contextmanager
def _silence() -> Iterator[None]:
    """Switch off apprise's own log: it has URLs with their tokens, and addresses."""
    logger = logging.getLogger("apprise")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
