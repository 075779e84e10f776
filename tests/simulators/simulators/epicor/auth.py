"""Lets requests in: API key, identity, company, access scope, licence."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from simulators.epicor.errors import INVALID_SESSION, LICENSE, UNAUTHORIZED, EpicorError
from simulators.epicor.timestamps import TICKS_PER_SECOND
from simulators.epicor.world import Kinetic

WEB_SERVICE_LICENSE = "00000003-9439-4B30-A6F4-6D2FD4B9FD0F"
WEB_SERVICE_SHARED_LICENSE = "00000003-231B-4E2B-9B47-13F87EA9A0A3"

Headers = Mapping[str, str]
"""With lower-case names."""


def admit(world: Kinetic, headers: Headers, query: Mapping[str, str], company: str, service: str) -> None:
    """Let a call of a service in, or say why not.

    Raises:
        EpicorError: 401 for the key or the identity, 403 for the scope, 410 for the session, 400 for the
            company.
    """
    _check_api_key(world, headers.get("x-api-key") or query.get("api-key"))
    _check_identity(world, headers.get("authorization", ""))
    _check_session(world, headers)
    scope = world.switches.access_scope
    if scope is not None and service not in scope:
        raise EpicorError(
            world.switches.access_scope_status,
            f"Access denied: {service} is not in the access scope of the API key.",
            UNAUTHORIZED,
        )
    companies = world.switches.user_companies or world.companies
    if company.lower() not in (name.lower() for name in companies):
        raise EpicorError(400, f"Invalid URL: company '{company}' is not valid for the user.")


def _check_api_key(world: Kinetic, given: str | None) -> None:
    if not world.switches.api_key_required:
        return
    if given != world.credentials.api_key or not world.switches.api_key_valid:
        message = "Invalid API Key" if given else "API Key is required"
        raise EpicorError(world.switches.api_key_error_status, message, UNAUTHORIZED)


def _check_identity(world: Kinetic, header: str) -> None:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "basic" and _is_user(world, *_basic(rest)):
        return
    if scheme.lower() == "bearer":
        expires = world.tokens.get(rest.strip())
        if expires is not None and world.clock() < expires:
            return
        raise EpicorError(401, "The token is invalid or has expired.", UNAUTHORIZED)
    raise EpicorError(401, "Invalid username or password.", UNAUTHORIZED)


def _basic(encoded: str) -> tuple[str, str]:
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    username, _, password = decoded.partition(":")
    return username, password


def _is_user(world: Kinetic, username: str, password: str) -> bool:
    known = (world.credentials.username, world.credentials.password)
    return world.switches.password_valid and (username, password) == known


def _check_session(world: Kinetic, headers: Headers) -> None:
    session = headers.get("sessioninfo")
    if session and session not in world.sessions:
        raise EpicorError(410, "The session has expired.", INVALID_SESSION)


@contextlib.asynccontextmanager
async def license_seat(world: Kinetic, headers: Headers, company: str) -> AsyncIterator[None]:
    """Hold a licence for the length of a call; a full pool refuses it, or slows it down.

    Raises:
        EpicorError: 400 when no default licence is left.
    """
    claimed = _claimed_license(headers).upper()
    kind = "web_service" if claimed == WEB_SERVICE_LICENSE else "default"
    free = world.switches.web_service_licenses if kind == "web_service" else world.switches.default_licenses
    taken = getattr(world.seats, kind)
    if claimed == WEB_SERVICE_SHARED_LICENSE or (
        kind == "web_service" and free is not None and taken >= free
    ):
        await world.wait(world.switches.shared_license_seconds)
        yield
        return
    if free is not None and taken >= free:
        raise EpicorError(
            400,
            f"Maximum users exceeded on license type: DefaultUser assigned to company: {company}",
            LICENSE,
        )
    setattr(world.seats, kind, taken + 1)
    try:
        yield
    finally:
        setattr(world.seats, kind, getattr(world.seats, kind) - 1)


def _claimed_license(headers: Headers) -> str:
    try:
        claimed = json.loads(headers.get("license", "{}")).get("ClaimedLicense", "")
    except (ValueError, AttributeError):
        return ""
    return str(claimed)


def _new_token(world: Kinetic) -> str:
    token = f"sim-token-{uuid.uuid5(uuid.NAMESPACE_URL, f'{world.seed}/{len(world.tokens)}').hex}"
    world.tokens[token] = world.clock() + world.switches.token_seconds * TICKS_PER_SECOND
    return token


def token_resource(world: Kinetic, headers: Headers, body: str) -> dict[str, Any]:
    """Give a token for credentials in headers, in Basic or in a form; the refresh token is of no use.

    Raises:
        EpicorError: 401 for wrong credentials, 404 when the service is not enabled.
    """
    if not world.switches.token_resource_enabled:
        raise EpicorError(404, "TokenResource is not enabled on this server.")
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    form = {name: values[0] for name, values in parse_qs(body).items()}
    given = (headers.get("username", ""), headers.get("password", ""))
    if scheme.lower() == "basic":
        given = _basic(rest)
    elif form.get("grant_type") == "password":
        given = (form.get("username", ""), form.get("password", ""))
    if not _is_user(world, *given):
        raise EpicorError(401, "Invalid username or password.", UNAUTHORIZED)
    return {
        "AccessToken": _new_token(world),
        "ExpiresIn": world.switches.token_seconds,
        "RefreshToken": "not-implemented",
        "TokenType": "Bearer",
    }


def oauth2_token(world: Kinetic, headers: Headers, body: str) -> tuple[int, dict[str, Any]]:
    """The token endpoint of the identity provider: status and body, errors as in RFC 6749."""
    form = {name: values[0] for name, values in parse_qs(body).items()}
    known = (world.credentials.client_id, world.credentials.client_secret)
    given = (form.get("client_id", ""), form.get("client_secret", ""))
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        given = _basic(rest)
    grant = form.get("grant_type")
    if grant == "client_credentials":
        if given != known:
            return 400, {"error": "invalid_client"}
    elif grant == "password":
        if given[0] != known[0] or not _is_user(world, form.get("username", ""), form.get("password", "")):
            return 400, {"error": "invalid_grant"}
    else:
        return 400, {"error": "unsupported_grant_type"}
    if "epicor_erp" not in form.get("scope", "").split():
        return 400, {"error": "invalid_scope"}
    return 200, {
        "access_token": _new_token(world),
        "expires_in": world.switches.token_seconds,
        "token_type": "Bearer",
        "scope": form["scope"],
    }
