"""Puts the simulator together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from simulators.common.control import PREFIX as CONTROL
from simulators.common.control import common_control
from simulators.common.fault_middleware import FaultMiddleware
from simulators.common.request_log import UNKNOWN, RequestLogMiddleware
from simulators.mailchimp import problems
from simulators.mailchimp.control_api import control_routes
from simulators.mailchimp.gate import ConnectionLimit, Credentials, Envelope
from simulators.mailchimp.inside import Inside
from simulators.mailchimp.routes import (
    batches,
    campaigns,
    interests,
    lists,
    members,
    merge_fields,
    oauth,
    reports,
    tags,
    webhooks,
)
from simulators.mailchimp.routes.call import PREFIX
from simulators.mailchimp.seeding import seed_members
from simulators.mailchimp.simulator import Simulator
from simulators.mailchimp.switches import Switches

RESOURCES = (
    *lists.RESOURCES,
    *members.RESOURCES,
    *merge_fields.RESOURCES,
    *tags.RESOURCES,
    *interests.RESOURCES,
    *reports.RESOURCES,
    *batches.RESOURCES,
    *campaigns.RESOURCES,
    *webhooks.RESOURCES,
)


def build(
    url: str,
    seed: int = 1,
    switches: Switches | None = None,
    member_count: int = 0,
    now: Callable[[], float] = time.time,
) -> tuple[ASGIApp, Mapping[str, Any]]:
    """Make a simulator.

    Args:
        url: Where it will be reached: scheme, host and port.
        seed: Of everything that looks random.
        switches: The unconfirmed behaviours.
        member_count: How many members the main list starts with.
        now: Seconds since the epoch.

    Returns:
        The application, and what a client needs to know.
    """
    simulator = Simulator(url, seed, switches or Switches(), now)
    if member_count:
        seed_members(simulator, member_count)
    return application(simulator), greeting(simulator)


def application(simulator: Simulator) -> ASGIApp:
    """The HTTP side of a simulator."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        simulator.batches.forget()
        simulator.courier.close()

    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    app.include_router(common_control(simulator.log, simulator.plan))
    app.include_router(control_routes(simulator))
    app.router.routes.extend(oauth.routes(simulator))
    app.router.routes.extend(resource.route(simulator) for resource in RESOURCES)
    app.router.routes.append(batches.download_route(simulator))
    simulator.perform = Inside(app, simulator).perform
    app.add_exception_handler(HTTPException, _http_error)  # type: ignore[arg-type] # it takes a narrower exception
    guarded = Credentials(app, simulator)
    faulty = FaultMiddleware(guarded, simulator.plan, _error_body)
    limited = ConnectionLimit(faulty, simulator)
    return RequestLogMiddleware(Envelope(limited, simulator), simulator.log)


def _http_error(request: Request, error: HTTPException) -> Response:
    """A path that nobody knows: the vendor's answer, and an entry that fails the test."""
    if request.url.path.startswith(CONTROL):
        return JSONResponse({"detail": error.detail}, error.status_code)
    request.scope[UNKNOWN] = f"{request.method} {request.url.path}"
    problem = problems.not_found() if error.status_code == 404 else problems.method_not_allowed("")
    if request.url.path.startswith(PREFIX):
        return problem.response(request.scope["state"]["instance"])
    return JSONResponse({"error": problem.title}, problem.status)


def _error_body(status: int, phrase: str) -> Mapping[str, Any]:
    return {
        "type": problems.DOCUMENTATION,
        "title": phrase,
        "status": status,
        "detail": phrase,
        "instance": "",
    }


def greeting(simulator: Simulator) -> Mapping[str, Any]:
    """What a client needs to know."""
    account = simulator.account
    named = {audience.name: audience.id for audience in account.audiences.values()}
    return {
        "base_url": account.base_url,
        "api_key": account.api_key,
        "list_id": next(iter(named.values())),
        "lists": named,
        "client_id": account.client_id,
        "client_secret": account.client_secret,
        "authorize_url": simulator.url + oauth.AUTHORIZE,
        "token_url": simulator.url + oauth.TOKEN,
        "metadata_url": simulator.url + oauth.METADATA,
        "control_url": simulator.url + CONTROL,
    }
