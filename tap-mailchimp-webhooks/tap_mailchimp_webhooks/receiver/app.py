"""The receiver as an ASGI application."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.kit.server.connection_bounds import Limits
from kinetic_mailchimp.kit.server.rate_limit import RateLimit
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from tap_mailchimp_webhooks.events.delivery import from_delivery
from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS
from tap_mailchimp_webhooks.inbox.readers import Readers
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver.authenticity import Authenticity, UncheckableError
from tap_mailchimp_webhooks.receiver.group_commit import GroupCommit
from tap_mailchimp_webhooks.receiver.metrics import ReceiverMetrics
from tap_mailchimp_webhooks.receiver.on_event import EventCommand
from tap_mailchimp_webhooks.receiver.readiness import readiness_problems
from tap_mailchimp_webhooks.receiver.retention import purge_expired_events
from tap_mailchimp_webhooks.receiver.settings import ReceiverSettings
from tap_mailchimp_webhooks.webhooks import signature
from tap_mailchimp_webhooks.webhooks.registry import WebhookRegistry
from tap_mailchimp_webhooks.webhooks.signature import SignatureError
from tap_mailchimp_webhooks.webhooks.urls import PATH

RETRY_AFTER = {"Retry-After": "60"}


class _RefusedError(Exception):
    """A request that is answered with a refusal."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


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
            body = await self._body(request)
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
        return PlainTextResponse("stored" if is_new else "known")

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
        client = request.client.host if request.client else ""
        # The right secret first: a webhook that still has an old one must not shut out another.
        if self.settings.secret.accept(secret):
            return
        if self._limit.wait(client):
            raise _RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_wrong_secrets")
        self._limit.count(client)
        raise _RefusedError(HTTPStatus.NOT_FOUND, "wrong_secret")

    async def _body(self, request: Request) -> bytes:
        most = self.settings.max_body_bytes
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
        except ClientDisconnect as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "cut_off") from error
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


def limits_of(settings: ReceiverSettings) -> Limits:
    """The bounds of a server that are set."""
    proxies = {name.strip() for name in settings.forwarded_allow_ips.split(",")}
    return Limits(settings.max_connections, settings.max_connections_per_client, proxies)


def create_app(settings: ReceiverSettings, inbox: Inbox, now: Callable[[], float] = time.time) -> FastAPI:
    """The application. It owns the inbox from its start to its end.

    Args:
        settings: The behaviour of the receiver.
        inbox: Open, with its tables.
        now: Unix seconds; tests hand in their own.
    """
    receiver = Receiver(settings, inbox, now)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        committing = asyncio.create_task(receiver.commits.run())
        others = [
            asyncio.create_task(receiver.command.run()),
            asyncio.create_task(purge_expired_events(inbox, settings.retention_days)),
        ]
        if await asyncio.to_thread(_has_unread, inbox):
            receiver.command.wake()
        try:
            yield
        finally:
            receiver.commits.close()
            await committing
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            inbox.database.close()

    app = _Application(
        receiver,
        title="Mailchimp webhook receiver",
        lifespan=lifespan,
        openapi_url=None,  # a server that faces the Internet reveals no more than it must
        redirect_slashes=False,  # a redirect would lead to whatever the Host header names
    )
    router = _deliveries(receiver)
    app.include_router(router)
    if prefix := settings.root_path.strip("/"):
        # Some proxies cut the prefix off, some do not: both are served.
        app.include_router(router, prefix=f"/{prefix}", include_in_schema=False)
    app.include_router(_operations(receiver))
    return app


class _Application(FastAPI):
    """The application, with a short way for deliveries: FastAPI's own takes longer than all else of one."""

    def __init__(self, receiver: Receiver, **options: Any) -> None:  # noqa: ANN401 (passed on)
        self._receiver = receiver
        prefix = receiver.settings.root_path.strip("/")
        self._paths = frozenset({PATH, f"/{prefix}{PATH}" if prefix else PATH})
        super().__init__(**options)

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            path, _, secret = scope["path"].rpartition("/")
            if secret and path in self._paths:
                answer = await self._receiver.take(secret, Request(scope, receive))
                await answer(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def _deliveries(receiver: Receiver) -> APIRouter:
    router = APIRouter()
    form = {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}}
    refusals: dict[int | str, dict[str, str]] = {
        401: {"description": "The signature is missing or wrong."},
        404: {"description": "The path secret is wrong."},
        413: {"description": "The body is too large."},
        429: {"description": "Too many wrong secrets from this client."},
        503: {"description": "Not stored; repeat."},
    }

    @router.post(PATH + "/{secret}", responses=refusals, response_class=PlainTextResponse, openapi_extra=form)
    async def deliver(secret: str, request: Request) -> Response:
        return await receiver.take(secret, request)

    @router.get(PATH + "/{secret}", responses=refusals, response_class=PlainTextResponse)
    @router.head(PATH + "/{secret}", include_in_schema=False)
    async def validate(secret: str, request: Request) -> Response:
        return receiver.validate(secret, request)

    return router


def _operations(receiver: Receiver) -> APIRouter:
    router = APIRouter()
    inbox = receiver.inbox

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    inside = [Depends(_refuse_internet)]

    @router.get(
        "/readyz", dependencies=inside, responses={503: {"description": "Deliveries would not be stored."}}
    )
    async def readyz() -> Response:
        problems = await asyncio.to_thread(readiness_problems, inbox, receiver.settings.min_free_bytes)
        problems += (await receiver.authenticity.unreadable())[1]
        document = {
            "status": "not ready" if problems else "ready",
            "problems": problems,
            "on_event": asdict(receiver.command.status),
        }
        return JSONResponse(document, 503 if problems else 200)

    @router.get(
        "/metrics",
        dependencies=inside,
        response_class=PlainTextResponse,
        responses={503: {"description": "No database."}},
    )
    async def metrics() -> Response:
        try:
            unread = await asyncio.to_thread(Readers(inbox.database).unread, CONTACT_EVENTS, utc_now())
        except ConnectorError as error:
            return PlainTextResponse(str(error), 503)
        receiver.metrics.unreadable_secrets((await receiver.authenticity.unreadable())[0])
        return Response(receiver.metrics.page(unread), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _refuse_internet(request: Request) -> None:
    """Keep from the Internet what costs a look into the database, where no proxy does so."""
    try:
        client = ipaddress.ip_address(request.client.host) if request.client else None
    except ValueError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
    client = getattr(client, "ipv4_mapped", None) or client
    if client and client.is_global:
        raise HTTPException(HTTPStatus.NOT_FOUND)


def _has_unread(inbox: Inbox) -> bool:
    try:
        return Readers(inbox.database).unread(CONTACT_EVENTS, utc_now()).count > 0
    except ConnectorError:
        return False
