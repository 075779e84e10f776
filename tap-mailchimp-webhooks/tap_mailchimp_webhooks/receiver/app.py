"""The receiver as an ASGI application."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.kit.server.connections import Limits
from kinetic_mailchimp.kit.server.proxies import Proxies
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from tap_mailchimp_webhooks.events.event import CONTACT_EVENTS
from tap_mailchimp_webhooks.inbox.readers import Readers
from tap_mailchimp_webhooks.inbox.store import Inbox
from tap_mailchimp_webhooks.receiver.deliveries import Receiver
from tap_mailchimp_webhooks.receiver.readiness import readiness_problems
from tap_mailchimp_webhooks.receiver.retention import purge_expired_events
from tap_mailchimp_webhooks.receiver.settings import ReceiverSettings
from tap_mailchimp_webhooks.webhooks.urls import PATH


def limits_of(settings: ReceiverSettings) -> Limits:
    """The bounds of a server that are set."""
    proxies = Proxies(settings.forwarded_allow_ips)
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
        415: {"description": "The body is compressed."},
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
