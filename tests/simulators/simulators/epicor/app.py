"""The HTTP application of the simulated Kinetic."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp

from simulators.common.control import common_control
from simulators.common.fault_middleware import FaultMiddleware, Wait
from simulators.common.faults import FaultPlan
from simulators.common.request_log import UNKNOWN, RequestLog, RequestLogMiddleware
from simulators.epicor import auth, errors
from simulators.epicor.calls import Answer, Call
from simulators.epicor.cdc import CdcService
from simulators.epicor.control import epicor_control
from simulators.epicor.dispatch import answer
from simulators.epicor.errors import EpicorError
from simulators.epicor.seed import COMPANIES, seed_rows
from simulators.epicor.seed_rows import SEEDED_UNTIL
from simulators.epicor.store import Store
from simulators.epicor.switches import Switches
from simulators.epicor.tables import tables
from simulators.epicor.timestamps import TICKS_PER_SECOND, Clock
from simulators.epicor.world import INSTANCE, SERVER_ZONE, Credentials, Kinetic

_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"]


def system_clock() -> int:
    """The current time in ticks."""
    return time.time_ns() // 100


def build_world(
    customers: int,
    seed: int,
    profile: str,
    switches: Switches | None = None,
    clock: Clock = system_clock,
    wait: Wait = asyncio.sleep,
    orders: int = 0,
    ud_columns: Mapping[str, str] | None = None,
) -> Kinetic:
    """A simulated Kinetic with the data of a seed.

    Args:
        customers: How many.
        seed: Of the data, the credentials and the faults.
        profile: `updated-on` (every table has UpdatedOn) or `stock` (none has).
        switches: What is turned from the start.
        clock: Of the server; before the last seeded change it stands still there.
        wait: How to spend seconds.
        orders: The most that a customer has.
        ud_columns: Columns that this tenant added, as `tables` takes them.
    """
    plan = FaultPlan(seed=seed)
    declared = tables(with_updated_on=profile == "updated-on", ud_columns=ud_columns)

    def skewed() -> int:
        return max(clock(), SEEDED_UNTIL) + int((plan.clock_skew() + world.advanced) * TICKS_PER_SECOND)

    store = Store(declared, skewed, SERVER_ZONE, lambda: world.switches.updated_on_decimals)
    world = Kinetic(
        companies=COMPANIES,
        store=store,
        tables=declared,
        credentials=Credentials.of_seed(seed),
        clock=skewed,
        plan=plan,
        log=RequestLog(),
        seed=seed,
        profile=profile,
        cdc=CdcService(declared),
        wait=wait,
        switches=switches or Switches(),
    )
    store.load(seed_rows(customers, seed, orders))
    store.listeners.append(world.cdc.capture)
    return world


def hello(world: Kinetic, url: str) -> Mapping[str, Any]:
    """What a client needs to know."""
    known = world.credentials
    return {
        "base_url": f"{url}/{INSTANCE}",
        "api_key": known.api_key,
        "companies": list(world.companies),
        "username": known.username,
        "password": known.password,
        "client_id": known.client_id,
        "client_secret": known.client_secret,
        "token_url": f"{url}/connect/token",
        "control_url": f"{url}/__control",
        "profile": world.profile,
    }


def build_app(world: Kinetic) -> ASGIApp:
    """The application: Kinetic, its identity provider and the control API."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        world.store.close()

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=lifespan)
    app.include_router(common_control(world.log, world.plan))
    app.include_router(epicor_control(world))

    @app.api_route("/connect/token", methods=["POST"])
    async def identity_provider(request: Request) -> Response:
        status, body = auth.oauth2_token(world, _headers(request), (await request.body()).decode())
        return _json(body, status)

    @app.api_route(f"/{INSTANCE}/TokenResource.svc/", methods=["POST"])
    async def token_resource(request: Request) -> Response:
        try:
            token = auth.token_resource(world, _headers(request), (await request.body()).decode())
        except EpicorError as error:
            return _refusal(world, request, error)
        if "json" in request.headers.get("accept", ""):
            return _json(token)
        fields = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in token.items())
        return Response(f"<Token>{fields}</Token>", media_type="application/xml")

    @app.api_route(f"/{INSTANCE}/api/v2/odata/{{company}}/{{path:path}}", methods=_METHODS)
    async def odata(request: Request, company: str, path: str) -> Response:
        try:
            return _response(world, await answer(world, await _call(world, request, company, path)))
        except EpicorError as error:
            return _refusal(world, request, error)

    @app.api_route("/{path:path}", methods=_METHODS)
    async def nothing_here(request: Request, path: str) -> Response:
        return _refusal(world, request, errors.no_such_segment(path.rpartition("/")[2]))

    faulty = FaultMiddleware(
        app,
        world.plan,
        errors.gateway_body,
        world.wait,
        now=lambda: world.clock() / TICKS_PER_SECOND,
    )
    return RequestLogMiddleware(faulty, world.log)


def _headers(request: Request) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def _call(world: Kinetic, request: Request, company: str, path: str) -> Call:
    # The gateway counts the line as it came, percent signs and all.
    raw = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    if len(request.method) + len(raw) + len("  HTTP/1.1") > world.switches.max_request_line:
        raise EpicorError(HTTPStatus.REQUEST_URI_TOO_LONG, "Request-URI Too Long")
    _check_limits(world, request, await request.body())
    body = await request.body()
    try:
        parsed = json.loads(body) if body else None
        # Half a surrogate pair is JSON, and no text.
        json.dumps(parsed, ensure_ascii=False).encode()
    except ValueError as error:
        raise EpicorError(
            400, "Unable to deserialize entity. Input data is not in correct format."
        ) from error
    service, _, resource = path.partition("/")
    return Call(
        method=request.method,
        company=company,
        service=service,
        resource=resource,
        query=tuple(parse_qsl(request.url.query, keep_blank_values=True)),
        headers=_headers(request),
        body=parsed,
        context=f"{request.url.scheme}://{request.url.netloc}/{INSTANCE}/api/v2/odata/{company}/{service}/",
    )


def _check_limits(world: Kinetic, request: Request, body: bytes) -> None:
    """Refuse what the web server refuses before Kinetic sees it."""
    switches = world.switches
    if switches.max_query is not None and len(request.scope["query_string"]) > switches.max_query:
        raise EpicorError(404, errors.IIS_QUERY_TOO_LONG, errors.WEB_PAGE)
    if set(request.scope["path"]) & set(switches.refused_path_characters):
        raise EpicorError(400, errors.DANGEROUS_PATH, errors.WEB_PAGE)
    if switches.max_body is not None and len(body) > switches.max_body:
        raise EpicorError(
            413, "<html><body><h1>413 Request Entity Too Large</h1></body></html>", errors.WEB_PAGE
        )


def _response(world: Kinetic, given: Answer) -> Response:
    switches = world.switches
    if switches.empty_is_204 and isinstance(given.document, Mapping) and given.document.get("value") == []:
        return Response(status_code=204)
    if given.text is not None:
        return Response(given.text, given.status, media_type=given.media_type)
    if given.document is None:
        return Response(status_code=given.status)
    document = _with_numbers(given.document, switches.numbers)
    response = _json(document, given.status, switches.broken_text)
    if switches.odata_version:
        response.headers["OData-Version"] = switches.odata_version
    return response


def _with_numbers(node: Any, form: str) -> Any:
    """The document with all its numbers in another form."""
    if isinstance(node, Mapping):
        return {name: _with_numbers(inner, form) for name, inner in node.items()}
    if isinstance(node, list):
        return [_with_numbers(inner, form) for inner in node]
    if form == "plain" or isinstance(node, bool) or not isinstance(node, int | float):
        return node
    return str(node) if form == "quoted" else float(node)


def _json(document: Any, status: int = 200, broken: Mapping[str, str] | None = None) -> Response:
    body = msgspec.json.encode(document)
    for text, instead in (broken or {}).items():
        body = body.replace(text.encode(), instead.encode())
    return Response(body, status, media_type="application/json")


def _refusal(world: Kinetic, request: Request, error: EpicorError) -> Response:
    if error.unknown:
        request.scope[UNKNOWN] = error.message
    if error.status == HTTPStatus.REQUEST_URI_TOO_LONG:
        # The gateway in front answers this, not Kinetic.
        return Response(
            "<html><body><h1>414 Request-URI Too Large</h1></body></html>", 414, media_type="text/html"
        )
    if error.error_type == errors.WEB_PAGE:
        return Response(error.message, error.status, media_type="text/html")
    accept = request.headers.get("accept", "")
    asks_for_xml = "xml" in accept and "json" not in accept
    if asks_for_xml or (world.switches.xml_errors and "json" not in accept):
        return Response(errors.xml_body(error), error.status, media_type="application/xml")
    if error.error_type == errors.ODATA and world.switches.error_shape == "odata":
        return _json(errors.odata_body(error), error.status)
    return _json(errors.body(error, correlation_id=world.switches.correlation_id), error.status)


def builder(
    customers: int,
    seed: int,
    profile: str,
    switches: Switches | None = None,
    clock: Clock = system_clock,
    wait: Wait = asyncio.sleep,
    orders: int = 0,
) -> Callable[[str], tuple[ASGIApp, Mapping[str, Any]]]:
    """What `serve_forever` and `serve_in_thread` take: builds the simulator once its address is known."""

    def build(url: str) -> tuple[ASGIApp, Mapping[str, Any]]:
        world = build_world(customers, seed, profile, switches, clock, wait, orders)
        return build_app(world), hello(world, url)

    return build
