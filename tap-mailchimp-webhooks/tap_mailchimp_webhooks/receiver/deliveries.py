"""Takes deliveries: each is checked, stored, and answered after that."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.server.rate_limit import RateLimit
from starlette.types import Receive

from tap_mailchimp_webhooks.events.delivery import from_delivery
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver.authenticity import Authenticity, UncheckableError
from tap_mailchimp_webhooks.receiver.group_commit import GroupCommit
from tap_mailchimp_webhooks.receiver.metrics import ReceiverMetrics
from tap_mailchimp_webhooks.receiver.on_event import EventCommand
from tap_mailchimp_webhooks.receiver.settings import ReceiverSettings
from tap_mailchimp_webhooks.webhooks import signature
from tap_mailchimp_webhooks.webhooks.registry import WebhookRegistry
from tap_mailchimp_webhooks.webhooks.signature import SignatureError

RETRY_AFTER = {"Retry-After": "60"}

# The two usual answers, made once: that takes as long as sending them.
_STORED, _KNOWN = PlainTextResponse("stored"), PlainTextResponse("known")


class _RefusedError(Exception):
    """A request that is answered with a refusal."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def _require_plain(request: Request) -> None:
    """Refuse a compressed body, which would be stored as an event of nobody.

    Raises:
        _RefusedError: It has a coding.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "compressed")


class Receiver:
    """Takes deliveries: checks them, stores them, answers.

    Args:
        now: Unix seconds; tests hand in their own.
    """

    def __init__(
        self, settings: ReceiverSettings, inbox: Inbox, now: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self.inbox = inbox
        self.metrics = ReceiverMetrics()
        self.commits = GroupCommit(inbox.store)
        self.command = EventCommand(settings.on_event, delay=settings.on_event_delay)
        registry = WebhookRegistry(inbox.database, inbox.encryption, settings.secret.values)
        self.authenticity = Authenticity(registry.signing_secrets, now, settings.signature_max_age)
        self._limit = RateLimit(settings.wrong_secrets_per_minute)
        self._now = now

    async def take(self, secret: str, request: Request) -> Response:
        """Answer a delivery: with 2xx only when it is durable."""
        started = time.perf_counter()
        try:
            self.admit(secret, request)
            _require_plain(request)
            body = await self._body(request.receive)
            is_signed = await self._check_signature(request, body)
        except _RefusedError as refusal:
            return self._refuse(refusal)
        received_at = datetime.fromtimestamp(self._now(), UTC)
        content_type = request.headers.get("content-type", "")
        arrival = from_delivery(body, content_type, received_at, is_signed=is_signed)
        try:
            is_new = await self.commits.put(arrival)
        except ConnectorError:
            self.metrics.refused("not_stored")
            return PlainTextResponse("not stored, please repeat", 503, RETRY_AFTER)
        self.metrics.took(arrival, is_new=is_new, seconds=time.perf_counter() - started)
        if is_new and arrival.stream:
            self.command.wake()
        return _STORED if is_new else _KNOWN

    def validate(self, secret: str, request: Request) -> Response:
        """Answer Mailchimp's validation of the URL."""
        try:
            self.admit(secret, request)
        except _RefusedError as refusal:
            return self._refuse(refusal)
        return PlainTextResponse("ready")

    def admit(self, secret: str, request: Request) -> None:
        """Admit a request whose path secret is right.

        Raises:
            _RefusedError: It is wrong, or the client has sent too many wrong ones.
        """
        # The right secret first: a webhook that still has an old one must not shut out another.
        if self.settings.secret.accept(secret):
            return
        client = request.client.host if request.client else ""
        if self._limit.wait(client):
            raise _RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_wrong_secrets")
        self._limit.count(client)
        raise _RefusedError(HTTPStatus.NOT_FOUND, "wrong_secret")

    async def _body(self, receive: Receive) -> bytes:
        most = self.settings.max_body_bytes
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _RefusedError(HTTPStatus.BAD_REQUEST, "cut_off")
            body += message.get("body", b"")
            if len(body) > most:
                raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
            if not message.get("more_body"):
                return bytes(body)

    async def _check_signature(self, request: Request, body: bytes) -> bool:
        try:
            return await self.authenticity.check(request.headers.get(signature.HEADER), body)
        except SignatureError as error:
            raise _RefusedError(HTTPStatus.UNAUTHORIZED, "wrong_signature") from error
        except UncheckableError as error:
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "unreadable_signing_secrets") from error

    def _refuse(self, refusal: _RefusedError) -> Response:
        self.metrics.refused(refusal.reason)
        is_passing = refusal.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
        headers = RETRY_AFTER if is_passing else None
        return PlainTextResponse(refusal.reason, refusal.status, headers)
