"""Health of the webhook receiver, from its `/readyz` and `/metrics`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.retry import RetryPolicy
from kinetic_mailchimp.kit.http.transport import AnswerTooLargeError, Transport
from kinetic_mailchimp.kit.redaction.plain_text import message
from kinetic_mailchimp.kit.server.receiver_metrics import (
    INBOX_OLDEST_UNREAD_SECONDS,
    INBOX_UNREAD,
    REFUSED,
    UNREADABLE_SIGNING_SECRETS,
)

_MOST_PROBLEMS: Final = 20
_LONGEST_PROBLEM: Final = 500
_LARGEST: Final = 1e10
"""A gauge above it, or NaN, is neither a number of events nor an age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverStatus:
    """The health of the receiver of webhooks.

    Args:
        problems: Its problems in its own words; empty when deliveries would be stored.
        unread: Events in its inbox that no run has read; None where it is unknown.
        oldest_unread_seconds: The age of the oldest of them; None where it is unknown.
        refused: Requests that it refused since it started, by reason; None where it is unknown.
    """

    problems: tuple[str, ...] = ()
    unread: int | None = None
    oldest_unread_seconds: float | None = None
    refused: Mapping[str, int] | None = None


def make_transport(*, timeout: float = 10.0, max_attempts: int = 2) -> Transport:
    """A transport that takes every response as it is.

    Args:
        timeout: Seconds for one request.
        max_attempts: By default one more than one: a receiver that restarts is away for a short time only.
    """
    return Transport(
        lambda _request, _answer: None,
        timeout=timeout,
        retry=RetryPolicy(max_attempts=max_attempts),
        url_from="--receiver-url",
    )


def probe_receiver(url: str, transport: Transport) -> ReceiverStatus:
    """Ask the receiver for its health.

    Args:
        url: The URL of the receiver; a final `/readyz` may be left out.
        transport: Sends the requests; every status is a response.
    """
    base = url.rstrip("/").removesuffix("/readyz").removesuffix("/healthz")
    try:
        ready = transport.send(Request("GET", f"{base}/readyz"))
        numbers = transport.send(Request("GET", f"{base}/metrics"))
    except AnswerTooLargeError:
        return ReceiverStatus(problems=("Another server answers there: its answer has no end.",))
    except ConfigurationError:
        raise
    except ConnectorError:
        # Its message would name the URL, which says nothing to the reader of an alert.
        return ReceiverStatus(problems=("It cannot be reached.",))
    return read_status(ready, numbers)


def read_status(ready: Answer, numbers: Answer) -> ReceiverStatus:
    """The health in the answers of `/readyz` and `/metrics`."""
    problems: tuple[str, ...] = ()
    if ready.status != HTTPStatus.OK:
        problems = _problems(ready) or (f"It answers HTTP {ready.status}.",)
    page = numbers.text if numbers.status == HTTPStatus.OK else ""
    if (unreadable := _gauge(page, UNREADABLE_SIGNING_SECRETS)) and not problems:
        problems = (f"{unreadable:.0f} of its signing secrets cannot be read; it refuses their deliveries.",)
    unread = _gauge(page, INBOX_UNREAD)
    return ReceiverStatus(
        problems=problems,
        unread=None if unread is None else int(unread),
        oldest_unread_seconds=_gauge(page, INBOX_OLDEST_UNREAD_SECONDS),
        refused=_refused(page) if page else None,
    )


def _problems(ready: Answer) -> tuple[str, ...]:
    problems = (ready.json_object or {}).get("problems")
    texts = [text for text in problems if isinstance(text, str)] if isinstance(problems, list) else []
    return tuple(message(text, _LONGEST_PROBLEM) for text in texts[:_MOST_PROBLEMS])


def _refused(page: str) -> dict[str, int]:
    lines = re.findall(
        rf'^{REFUSED}_total{{reason="([a-z_]{{1,40}})"}} (\d{{1,9}})(?:\.0)?$', page, re.MULTILINE
    )
    return {reason: int(count) for reason, count in lines}


def _gauge(page: str, name: str) -> float | None:
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    try:
        value = float(found[1]) if found else -1.0
    except ValueError:
        return None
    return value if 0 <= value <= _LARGEST else None
