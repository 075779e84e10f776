"""Middleware around every page: host, login, form tokens and security headers.

Refusing is the default: a new page is behind the login and a new form needs its token without a line of
its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinetic_mailchimp.console.pages.login import COOKIE, Login, Visitor
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.console.pages.views import Views
from kinetic_mailchimp.kit.http.web_url import split_url

logger = logging.getLogger(__name__)

LOGIN: Final = "/login"
HEALTH: Final = "/healthz"
STATIC: Final = "/static/"
FORM_TOKEN: Final = "form_token"  # noqa: S105 - the name of a field
_MOST_BODY: Final = 16_384
_MOST_FIELDS: Final = 200  # the form of a dead letter has one for each property of its record
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_KEPT: Final = {True: "public, max-age=86400", False: "no-store"}
"""True for a response that is the same for everybody → how long a browser may keep it."""


class _RefusedError(Exception):
    """A request that goes no further, and its response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class SecurityMiddleware:
    """Checks the host, the login and the token of forms, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, settings: PagesSettings, login: Login, views: Views) -> None:
        self._app = app
        self._settings = settings
        self._login = login
        self._views = views

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(raw=message["headers"])
                headers.update(_HEADERS)
                headers["Cache-Control"] = _KEPT[self._path(request).startswith(STATIC)]
            await send(message)

        try:
            await self._check(request)
            await self._app(scope, receive, send_with_headers)
        except _RefusedError as refusal:
            await refusal.response(scope, receive, send_with_headers)
        except Exception as error:
            # Neither the message nor the URL of the page: both could name a person.
            logger.error("A page broke off: %s", type(error).__name__)  # noqa: TRY400 - see above
            if has_started:
                raise
            response = self._views.problem(request, HTTPStatus.INTERNAL_SERVER_ERROR)
            await response(scope, receive, send_with_headers)

    async def _check(self, request: Request) -> None:
        state = request.state
        state.visitor, state.form = None, {}
        path = self._path(request)
        if path == HEALTH:
            return
        self._check_host(request)
        if path.startswith(STATIC):
            return
        peer = request.client.host if request.client else ""
        visitor = self._login.visitor(peer, request.headers, request.cookies.get(COOKIE))
        state.visitor, state.client = visitor, self._settings.client(peer, request.headers)
        if request.method not in ("GET", "HEAD"):
            state.form = await self._form(request)
        if path == LOGIN:
            return
        if visitor is None:
            raise _RefusedError(self._ask_to_log_in(request, path))
        if request.method not in ("GET", "HEAD"):
            self._check_form(request, visitor)

    def _path(self, request: Request) -> str:
        # As the routes see it: decoded.
        return str(request.scope["path"]).removeprefix(self._settings.root) or "/"

    def _check_host(self, request: Request) -> None:
        # Another name may be a web page whose name points here, so that it can read the responses.
        host = request.headers.get("host", "")
        parts = split_url(f"//{host}")
        if parts is None or parts.netloc != host or "@" in host:
            raise _RefusedError(self._views.plain(HTTPStatus.BAD_REQUEST, "This is not a name.\n"))
        if (parts.hostname or "") not in self._settings.hosts:
            raise _RefusedError(self._views.plain(HTTPStatus.MISDIRECTED_REQUEST, "This is not my name.\n"))

    async def _form(self, request: Request) -> Mapping[str, str]:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BODY:
                raise _RefusedError(self._views.problem(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
        try:
            fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise _RefusedError(self._views.problem(request, HTTPStatus.BAD_REQUEST)) from None
        return {name: values[0] for name, values in fields.items()}

    def _ask_to_log_in(self, request: Request, path: str) -> Response:
        if not self._login.takes_tokens:
            return self._views.problem(request, HTTPStatus.UNAUTHORIZED)
        query = f"?{request.url.query}" if request.url.query else ""
        after = quote(path + query if request.method == "GET" else "/", safe="")
        return RedirectResponse(f"{self._settings.root}{LOGIN}?next={after}", HTTPStatus.SEE_OTHER)

    def _check_form(self, request: Request, visitor: Visitor) -> None:
        if not visitor.is_form_token(request.state.form.get(FORM_TOKEN, "")):
            raise _RefusedError(self._views.problem(request, HTTPStatus.FORBIDDEN))
