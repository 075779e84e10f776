"""Asks the receiver of webhooks how it is."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any, Final

from kinetic_mailchimp.console.alerts.facts import ReceiverFact, WebhookFact
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.http_call import Request
from kinetic_mailchimp.kit.retry import RetryPolicy
from kinetic_mailchimp.kit.transport import Transport

TIMEOUT: Final = 10.0
PATIENCE: Final = RetryPolicy(max_attempts=2)
"""A receiver that starts anew is away for a moment: one more look before somebody is woken."""

_GAUGE: Final = "mailchimp_webhooks_inbox_{name}"
_LARGEST: Final = 1e10
"""What is above it, or NaN, is neither a number of events nor an age."""


def make_transport() -> Transport:
    """A transport that takes every answer as it is."""
    return Transport(lambda _request, _answer: None, timeout=TIMEOUT, retry=PATIENCE)


def look_at_receiver(url: str, transport: Transport) -> ReceiverFact:
    """How the receiver is.

    Args:
        url: Where it is; a final `/readyz` may be left out.
        transport: Sends; an answer with any status is one.
    """
    base = url.rstrip("/").removesuffix("/readyz").removesuffix("/healthz")
    try:
        ready = transport.send(Request("GET", f"{base}/readyz"))
        numbers = transport.send(Request("GET", f"{base}/metrics"))
    except ConfigurationError:
        raise
    except ConnectorError:
        # Its words would name the address, which says nothing to who reads the message.
        return ReceiverFact(problems=("It cannot be reached.",))
    problems: tuple[str, ...] = ()
    if ready.status != HTTPStatus.OK:
        problems = _problems(ready.text) or (f"It answers HTTP {ready.status}.",)
    page = numbers.text if numbers.status == HTTPStatus.OK else ""
    unread = _gauge(page, "unread")
    return ReceiverFact(
        problems=problems,
        unread=None if unread is None else int(unread),
        oldest_unread_seconds=_gauge(page, "oldest_unread_seconds"),
    )


def read_webhook_status(text: str) -> tuple[WebhookFact, ...] | None:
    """What `mailchimp-webhooks status --json` printed; None for anything else: that command failed."""
    try:
        document = json.loads(text)
        told = [
            WebhookFact(
                list_id=str(hook["list_id"]),
                verdict=str(hook["verdict"]),
                last_event_at=hook["last_event_at"],
            )
            for hook in document["webhooks"]
        ]
        missing = [
            WebhookFact(list_id=str(list_id), verdict="missing")
            for list_id in document["audiences_without_webhook"]
        ]
    except (ValueError, KeyError, TypeError):
        return None
    return (*told, *missing)


def _problems(text: str) -> tuple[str, ...]:
    try:
        document: Any = json.loads(text)
    except ValueError:
        return ()
    problems = document.get("problems") if isinstance(document, dict) else None
    return tuple(str(problem) for problem in problems) if isinstance(problems, list) else ()


def _gauge(page: str, name: str) -> float | None:
    found = re.search(rf"^{_GAUGE.format(name=name)} (\S+)$", page, re.MULTILINE)
    try:
        value = float(found[1]) if found else -1.0
    except ValueError:
        return None
    return value if 0 <= value <= _LARGEST else None
