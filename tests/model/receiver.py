"""Hands deliveries to the receiver's application, without a server between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

from fastapi import FastAPI
from tap_mailchimp_webhooks.events.delivery import from_delivery
from tap_mailchimp_webhooks.events.event import Arrival
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver.app import create_app
from tap_mailchimp_webhooks.receiver.settings import ReceiverSettings
from tap_mailchimp_webhooks.webhooks.path_secret import PathSecrets
from tap_mailchimp_webhooks.webhooks.urls import PATH

SECRET = "a-path-secret-of-the-model"
FORM = b"application/x-www-form-urlencoded"


def deliver(
    bodies: Sequence[bytes], inbox_url: str, now: Callable[[], float], *, is_signed: bool
) -> list[int]:
    """Post deliveries one after the other; the status of each answer.

    Args:
        bodies: What Mailchimp posts.
        inbox_url: The inbox.
        now: The receiver's clock, in seconds since the epoch.
        is_signed: Whether a signature of Mailchimp vouches for them.
    """

    def read(*given: Any, **_: Any) -> Arrival:
        return from_delivery(*given, is_signed=is_signed)

    with mock.patch("tap_mailchimp_webhooks.receiver.deliveries.from_delivery", read):
        return asyncio.run(_deliver(bodies, inbox_url, now))


async def _deliver(bodies: Sequence[bytes], inbox_url: str, now: Callable[[], float]) -> list[int]:
    app = create_app(ReceiverSettings(PathSecrets((SECRET,))), Inbox.open(inbox_url), now)
    async with app.router.lifespan_context(app):
        return [await _post(app, body) for body in bodies]


async def _post(app: FastAPI, body: bytes) -> int:
    path, statuses = f"{PATH}/{SECRET}", list[int]()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", FORM), (b"content-length", str(len(body)).encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]
