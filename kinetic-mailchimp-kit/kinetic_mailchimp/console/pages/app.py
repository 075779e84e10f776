"""The pages as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as AnyHTTPException

from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.console.pages.login import Login
from kinetic_mailchimp.console.pages.receiver_watch import ReceiverWatch
from kinetic_mailchimp.console.pages.replays import Replays
from kinetic_mailchimp.console.pages.routes import (
    failures,
    letter,
    people,
    plans,
    previews,
    reports,
    runs,
    session,
)
from kinetic_mailchimp.console.pages.security import SecurityMiddleware
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.console.pages.site import Site
from kinetic_mailchimp.console.pages.views import STATIC_FOLDER, Views
from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.server.rate_limit import RateLimit


def create_app(trail: AuditTrail, settings: PagesSettings) -> FastAPI:
    """The application. The trail stays open when it ends.

    Args:
        trail: The trail that the pages show; its clock is theirs.
        settings: Settings of the server and of its login.
    """
    views = Views(settings, trail.clock)
    login = Login(settings, lambda: trail.clock().timestamp(), trail.database)
    watch = ReceiverWatch(settings.receiver_url, trail.clock) if settings.receiver_url else None
    replays = Replays(trail, settings.replay_commands)
    site = Site(
        trail=trail,
        settings=settings,
        views=views,
        login=login,
        wrong_tokens=RateLimit(settings.wrong_tokens_per_minute),
        replays=replays,
        watch=watch,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if watch is not None:
            watch.start()
        try:
            yield
        finally:
            if watch is not None:
                watch.stop()
            replays.wait()

    app = FastAPI(title="Audit trail", lifespan=lifespan, openapi_url=None)
    router = APIRouter()
    for module in (runs, people, failures, letter, plans, previews, reports, session):
        module.add_routes(router, site)
    # Some proxies cut the prefix off, some do not: both are served.
    for prefix in dict.fromkeys(("", settings.root)):
        app.include_router(router, prefix=prefix)
        app.mount(f"{prefix}/static", StaticFiles(directory=STATIC_FOLDER))

    @app.exception_handler(AnyHTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        return views.problem(request, HTTPStatus(error.status_code))

    @app.exception_handler(ConnectorError)
    async def failed(request: Request, _: ConnectorError) -> Response:
        return views.problem(request, HTTPStatus.SERVICE_UNAVAILABLE)

    app.add_middleware(SecurityMiddleware, settings=settings, login=login, views=views)
    return app
