"""Says who calls: an API key, beside it a user or an application, with tokens that renew themselves."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from kinetic_mailchimp.epicor.classification import to_error
from kinetic_mailchimp.epicor.error_rules import BUSY, Rule
from kinetic_mailchimp.epicor.errors import host_of
from kinetic_mailchimp.epicor.problem import read_problem
from kinetic_mailchimp.epicor.settings import EpicorSettings, default_token_url
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError, CredentialsError, TransientError
from kinetic_mailchimp.kit.http.authorization import Authorization, FixedAuthorization, basic_login
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.retry import RetryPolicy
from kinetic_mailchimp.kit.http.transport import Transport
from kinetic_mailchimp.kit.redaction.masker import MASKER

logger = logging.getLogger(__name__)

ASSUMED_LIFETIME = 1200.0
"""Seconds that a token lives where the server does not say."""
LONGEST_MARGIN = 60.0
SHARE_OF_LIFETIME = 0.1


@dataclass(frozen=True)
class Token:
    """A bearer token and the seconds that it lives from when it was given."""

    value: str
    lifetime: float

    @property
    def margin(self) -> float:
        """Seconds before its end at which it is renewed."""
        return min(LONGEST_MARGIN, self.lifetime * SHARE_OF_LIFETIME)


class TokenAuthorization:
    """Headers with a bearer token; threads share it, and one of them renews it.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        fixed: Mapping[str, str],
        fetch: Callable[[], Token],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fixed = dict(fixed)
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._bearer = ""
        self._renew_at = 0.0

    def headers(self) -> Mapping[str, str]:
        """The headers of the next request, with a token that is not about to expire."""
        with self._lock:
            if not self._bearer or self._clock() >= self._renew_at:
                self._replace()
            return {**self._fixed, "Authorization": self._bearer}

    def renew(self, refused: Mapping[str, str]) -> bool:
        """Get a fresh token, unless another thread did so since these headers were made."""
        with self._lock:
            if refused.get("Authorization") == self._bearer:
                self._replace()
            return True

    def _replace(self) -> None:
        started = self._clock()
        token = self._fetch()
        MASKER.add([token.value])
        self._bearer = f"Bearer {token.value}"
        self._renew_at = started + token.lifetime - token.margin
        logger.info("Got a token for %.0f s.", token.lifetime)


def authorization(
    settings: EpicorSettings,
    *,
    retry: RetryPolicy | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Authorization:
    """The authorization that the settings ask for.

    Args:
        settings: Where, and as whom.
        retry: Bounds on trying again, for tokens.
        sleep: Waits between two attempts, in seconds.
        clock: Monotonic seconds.
    """
    fixed = _fixed_headers(settings)
    if settings.auth_method == "api_key":
        return FixedAuthorization(fixed)
    if settings.auth_method == "basic":
        return FixedAuthorization(
            {**fixed, "Authorization": basic_login(settings.username, settings.password)}
        )
    # A transport of its own: the API key must not go to an identity provider, and a request that waits for
    # a free connection must not keep the token from being fetched.
    same_host = host_of(settings.token_url) == host_of(settings.base_url)
    derived = settings.auth_method == "token_resource" and settings.token_url == default_token_url(settings)
    url_from = "base_url" if derived else "token_url"
    transport = Transport(
        partial(classify_token, url_from=url_from),
        url_from=url_from,
        timeout=settings.request_timeout,
        retry=retry,
        max_connections=1,
        ca_bundle=settings.ca_bundle if same_host else None,
        sleep=sleep,
        clock=clock,
    )
    request = token_request(settings)
    return TokenAuthorization(fixed, lambda: read_token(transport.send(request), url_from), clock)


def token_request(settings: EpicorSettings) -> Request:
    """The request for a token, in the form that the settings name."""
    if settings.auth_method == "oauth2":
        return Request(
            "POST",
            settings.token_url,
            form={
                "grant_type": "client_credentials",
                "client_id": settings.client_id,
                "client_secret": settings.client_secret,
                "scope": settings.oauth_scope,
            },
            repeatable=True,
            authorized=False,
        )
    user = {"username": settings.username, "password": settings.password}
    # The key goes along, because some servers want it here too; this is the same server.
    is_same = host_of(settings.token_url) == host_of(settings.base_url)
    headers, form = {"x-api-key": settings.api_key} if is_same else {}, None
    if settings.token_request == "headers":  # noqa: S105 (a form)
        headers |= user
    elif settings.token_request == "basic":  # noqa: S105 (a form)
        headers["Authorization"] = basic_login(settings.username, settings.password)
    else:
        form = {"grant_type": "password", **user}
    return Request("POST", settings.token_url, headers=headers, form=form, repeatable=True, authorized=False)


def read_token(answer: Answer, url_from: str = "token_url") -> Token:
    """The token in an answer of TokenResource.svc (JSON or XML) or of an OAuth2 server.

    Raises:
        ConfigurationError: There is none in it.
    """
    fields = answer.json_object or dict(
        re.findall(r"<(?:\w+:)?(AccessToken|ExpiresIn)\b[^<>]*>([^<]+)<", answer.text)
    )
    names = {str(name).replace("_", "").lower(): value for name, value in fields.items()}
    value = names.get("accesstoken")
    if not isinstance(value, str) or not value:
        raise ConfigurationError(
            "The answer of the token service holds no token.", advice=f"Check `{url_from}`."
        )
    try:
        lifetime = float(names.get("expiresin", ASSUMED_LIFETIME))
    except (TypeError, ValueError, OverflowError):
        lifetime = ASSUMED_LIFETIME
    # A token that has ended already would be asked for before each call.
    return Token(value, lifetime if lifetime > 0 else ASSUMED_LIFETIME)


_URL = "{url}"
_CHECK_LOGIN = "Check `username` and `password`; if they are right, try another `token_request`."
_TOKEN_RULES = (
    Rule(TransientError, BUSY, message="The token service is busy or away."),
    Rule(
        ConfigurationError,
        frozenset({400, 401, 403}),
        says=re.compile("invalid_scope"),
        message="The identity provider does not know the scope.",
        advice="Check `oauth_scope`.",
    ),
    Rule(
        CredentialsError,
        frozenset({400, 401, 403}),
        says=re.compile("invalid_client|unauthorized_client"),
        message="The identity provider does not know the application.",
        advice="Check `client_id` and `client_secret`.",
    ),
    Rule(
        CredentialsError,
        frozenset({400, 401, 403}),
        message="The token service refused the login.",
        advice=f"{_CHECK_LOGIN} With `oauth2`: check `client_id`, `client_secret` and `oauth_scope`.",
    ),
    Rule(TransientError, frozenset(range(500, 600)), message="The token service failed."),
    Rule(
        CredentialsError,
        message="There is no token service at this address.",
        advice=f"Check `{_URL}`; where tokens are not enabled, use `auth_method` `basic`.",
    ),
)


def classify_token(
    request: Request,  # noqa: ARG001 (the transport's form)
    answer: Answer,
    *,
    url_from: str = "token_url",
) -> ConnectorError | None:
    """The error that an answer of a token service means; None for success."""
    problem = read_problem(answer)
    if answer.status < 300 and not problem.is_html:  # noqa: PLR2004 (every 2xx)
        return None
    oauth_error = (answer.json_object or {}).get("error")
    if answer.is_json and isinstance(oauth_error, str):
        problem = type(problem)(problem.status, problem.message, error_type=oauth_error)
    error = to_error(problem, answer, _TOKEN_RULES)
    error.advice = error.advice.replace(_URL, url_from)
    return error


def _fixed_headers(settings: EpicorSettings) -> dict[str, str]:
    headers = {"x-api-key": settings.api_key}
    if settings.license_guid:
        headers["License"] = json.dumps({"ClaimedLicense": settings.license_guid})
    if settings.plant:
        headers["CallSettings"] = json.dumps({"Plant": settings.plant})
    return headers
