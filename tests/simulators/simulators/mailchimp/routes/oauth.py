"""OAuth2: consent, token and metadata, as on the vendor's login host."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from simulators.mailchimp.simulator import Simulator

AUTHORIZE, TOKEN, METADATA = "/oauth2/authorize", "/oauth2/token", "/oauth2/metadata"


def routes(simulator: Simulator) -> list[Route]:
    endpoints = _Endpoints(simulator)
    return [
        Route(AUTHORIZE, endpoints.authorize, methods=["GET"]),
        Route(TOKEN, endpoints.token, methods=["POST"]),
        Route(METADATA, endpoints.metadata, methods=["GET"]),
    ]


class _Endpoints:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def authorize(self, request: Request) -> Response:
        """Consent at once, or refuse if the query says `deny=1`: nobody is there to press a button."""
        query = request.query_params
        redirect_uri = query.get("redirect_uri", "")
        known = query.get("client_id") == self._simulator.account.client_id
        if not known or query.get("response_type") != "code":
            return _error("invalid_request", 400)
        if not redirect_uri:
            return _error("redirect_uri_mismatch", 400)
        state = {"state": query["state"]} if "state" in query else {}
        if query.get("deny"):
            return _redirect(redirect_uri, {"error": "access_denied", **state})
        code = self._simulator.next_id(32, "code")
        self._simulator.grants.redirect_by_code[code] = redirect_uri
        return _redirect(redirect_uri, {"code": code, **state})

    async def token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        account, grants = self._simulator.account, self._simulator.grants
        if form.get("grant_type") != "authorization_code":
            return _error("unsupported_grant_type", 400)
        if (form.get("client_id"), form.get("client_secret")) != (account.client_id, account.client_secret):
            return _error("invalid_client", 401)
        # A code is good for one exchange.
        redirect_uri = grants.redirect_by_code.pop(form.get("code", ""), None)
        if redirect_uri is None or redirect_uri != form.get("redirect_uri"):
            return _error("invalid_grant", 400)
        issued = self._simulator.next_id(32, "access_token")
        grants.tokens.add(issued)
        return JSONResponse({"access_token": issued, "expires_in": 0, "scope": None})

    async def metadata(self, request: Request) -> Response:
        scheme, _, issued = request.headers.get("authorization", "").partition(" ")
        if scheme not in {"OAuth", "Bearer"} or issued not in self._simulator.grants.tokens:
            return _error("invalid_token", 401)
        account, url = self._simulator.account, self._simulator.url
        return JSONResponse(
            {
                "dc": account.data_centre,
                "role": "owner",
                "accountname": "Example Company",
                "user_id": account.seed,
                "login": {"email": "owner@example.com", "login_id": account.seed, "login_name": "owner"},
                "login_url": url,
                "api_endpoint": url,
            }
        )


def _error(code: str, status: int) -> Response:
    return JSONResponse({"error": code, "error_description": code.replace("_", " ")}, status)


def _redirect(target: str, parameters: dict[str, str]) -> Response:
    return RedirectResponse(f"{target}{'&' if '?' in target else '?'}{urlencode(parameters)}", 302)
