"""Sends HTTP requests: one retry policy, one limit of connections, one meaning of failure."""

from __future__ import annotations

import email.utils
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, ClassVar, Protocol
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests import exceptions as failures
from requests.adapters import HTTPAdapter

from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    TransientError,
)
from kinetic_mailchimp.kit.retry import RetryPolicy

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 120.0
READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Request:
    """One call.

    Attributes:
        method: The HTTP method.
        url: Without a query.
        params: The query; a space is sent as `%20`.
        headers: Beside those of the authorization.
        json: A body to send as JSON.
        form: A body to send form-encoded.
        repeatable: Whether it may be sent again when no usable answer came. By default, reads only.
        authorized: Whether the authorization of the transport applies.
    """

    method: str
    url: str
    params: Mapping[str, str | int] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object | None = None
    form: Mapping[str, str] | None = None
    repeatable: bool | None = None
    authorized: bool = True

    timeout_error: ClassVar[type[ConnectorError]] = TransientError
    """What it means that no answer came in time; only a TransientError is tried again."""

    @property
    def may_repeat(self) -> bool:
        """Whether an attempt of unknown outcome may be repeated."""
        return self.method in READS if self.repeatable is None else self.repeatable

    @property
    def full_url(self) -> str:
        """The address with its query, as it is sent."""
        return f"{self.url}?{encode_query(self.params)}" if self.params else self.url

    def __str__(self) -> str:
        """Method, host and path: a login may stand before the host, and the query may hold personal data."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: The HTTP status.
        headers: Case-insensitive.
        body: All of it.
        seconds: From the request to the end of the body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """The body as text, for messages."""
        return self.body.decode("utf-8", "replace")

    @property
    def is_json(self) -> bool:
        """Whether the body says that it is JSON, `application/problem+json` included."""
        return "json" in self.headers.get("Content-Type", "").lower()

    @cached_property
    def document(self) -> Any:  # noqa: ANN401 (a document has any shape)
        """The body as a JSON document, parsed once.

        Raises:
            ValueError: It is none.
        """
        return json.loads(self.body)

    @property
    def request_id(self) -> str | None:
        """The server's own id of the call, where it names one as Mailchimp does."""
        return self.headers.get("X-Request-Id")

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait: from a number or a date."""
        value = self.headers.get("Retry-After", "").strip()
        if not value:
            return None
        if value.isdigit():
            return float(value)
        try:
            until = email.utils.parsedate_to_datetime(value).timestamp()
        except ValueError:
            return None
        return max(0.0, until - time.time())


class Authorization(Protocol):
    """Says who we are. Shared by threads."""

    def headers(self) -> Mapping[str, str]:
        """The headers of the next request; renews what is about to expire."""

    def renew(self, refused: Mapping[str, str]) -> bool:
        """After these headers were refused: get fresh ones. False when there is nothing to renew."""


Classify = Callable[[Request, Answer], "ConnectorError | None"]
"""What an answer means: None for success, else the error to raise. One table per vendor."""


def encode_query(params: Mapping[str, str | int]) -> str:
    """A query string; a space becomes `%20`, never `+`, and OData's `$`, `'`, `,` stay readable."""
    return urlencode(params, quote_via=quote, safe="$',():@/*")


def _no_netrc(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand where requests would otherwise put a login from a .netrc file over our own headers."""
    return prepared


class Transport:
    """Sends requests and answers with success or a ConnectorError. Shared by threads.

    Args:
        classify: What an answer means.
        authorization: Says who we are; without it, nothing is added.
        timeout: Seconds to connect, and seconds between two bytes of an answer.
        retry: Bounds on trying again.
        max_connections: Requests in flight at once; more wait.
        ca_bundle: A file of CA certificates to trust instead of the usual ones.
        sleep: Waits; tests hand in their own.
        clock: Monotonic seconds; tests hand in their own.
    """

    def __init__(
        self,
        classify: Classify,
        *,
        authorization: Authorization | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        max_connections: int = 2,
        ca_bundle: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._classify = classify
        self._authorization = authorization
        self._timeout = timeout
        self._retry = retry or RetryPolicy()
        self._slots = threading.BoundedSemaphore(max_connections)
        self._sleep = sleep
        self._clock = clock
        self._verify = ca_bundle or True
        self._session = _session(max_connections)
        self._count_lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        """Attempts so far, by method."""

    def send(self, request: Request) -> Answer:
        """Send a request, again where that can help.

        Raises:
            ConnectorError: What remained after all attempts.
        """
        give_up_at = self._clock() + self._retry.max_seconds
        pauses = self._retry.pauses()
        may_renew = self._authorization is not None and request.authorized
        attempt = 1
        while True:
            identity = self._authorization.headers() if self._authorization and request.authorized else {}
            try:
                return self._attempt(request, identity)
            except CredentialsError:
                if not (may_renew and self._authorization and self._authorization.renew(identity)):
                    raise
                may_renew = False
            except AmbiguousWriteError:
                raise
            except TransientError as error:
                pause = max(next(pauses), error.retry_after or 0.0)
                if attempt >= self._retry.max_attempts or self._clock() + pause > give_up_at:
                    raise
                logger.warning(
                    "%s: %s Trying again in %.1f s (attempt %d of %d).",
                    request,
                    error,
                    pause,
                    attempt + 1,
                    self._retry.max_attempts,
                )
                self._sleep(pause)
                attempt += 1

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def _attempt(self, request: Request, identity: Mapping[str, str]) -> Answer:
        with self._count_lock:
            self.calls[request.method] += 1
        with self._slots:
            answer = self._exchange(request, identity)
        logger.debug("%s: %d in %.0f ms", request, answer.status, answer.seconds * 1000)
        error = self._classify(request, answer) or _unreadable(answer)
        if error is None:
            return answer
        error = _as_seen_by(request, error)
        error.seconds = answer.seconds
        raise error

    def _exchange(self, request: Request, identity: Mapping[str, str]) -> Answer:
        started = self._clock()
        try:
            response = self._session.request(
                request.method,
                request.full_url,
                headers={**request.headers, **identity},
                json=request.json,
                data=request.form,
                auth=_no_netrc,
                timeout=self._timeout,
                verify=self._verify,
                allow_redirects=False,
            )
        except failures.InvalidHeader as error:
            raise ConfigurationError(
                "A header cannot carry the credentials as they are.",
                advice="Check the key, the user and the password for line ends and spaces around them.",
            ) from error
        except (failures.InvalidURL, failures.MissingSchema, failures.InvalidSchema) as error:
            raise ConfigurationError(
                f"{request} is no address that can be called.", advice="Check `base_url`."
            ) from error
        except failures.ConnectTimeout as error:
            raise TransientError(
                f"{request}: no connection within {self._timeout:g} s.",
                advice="Check `base_url` and the network.",
            ) from error
        except failures.RequestException as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ConfigurationError(
                    f"{request}: the TLS certificate of the server is not trusted.",
                    advice="For a self-signed or private certificate, name its CA file in `ca_bundle`, "
                    "or in the variable REQUESTS_CA_BUNDLE.",
                ) from error
            if _never_left(error):
                raise TransientError(
                    f"{request}: no connection.", advice="Check `base_url` and the network."
                ) from error
            if isinstance(error, failures.Timeout):
                raise _as_seen_by(request, request.timeout_error(f"{request}: no answer in time.")) from error
            raise _as_seen_by(request, TransientError(f"{request}: the connection broke.")) from error
        except OSError as error:
            raise ConfigurationError(
                "The file with CA certificates cannot be read.", advice="Check `ca_bundle`."
            ) from error
        except UnicodeError as error:
            raise ConfigurationError(
                "A header cannot carry a character of the credentials.",
                advice="Check the key, the user and the password for characters outside Latin-1.",
            ) from error
        return Answer(
            status=response.status_code,
            headers=response.headers,
            body=response.content,
            seconds=self._clock() - started,
        )


def _session(max_connections: int) -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=max_connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept"] = "application/json"
    return session


def _never_left(error: failures.RequestException) -> bool:
    """Whether the connection was never made, so that nothing can have happened on the other side."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}


def _unreadable(answer: Answer) -> ConnectorError | None:
    """A success whose JSON body is cut off."""
    if not (answer.body and answer.is_json):
        return None
    try:
        answer.document  # noqa: B018 (parses)
    except ValueError:
        return TransientError("The answer is cut off or is no valid JSON.", status=answer.status)
    return None


def _as_seen_by(request: Request, error: ConnectorError) -> ConnectorError:
    """The same failure, told apart for a write that must not simply be repeated."""
    if request.may_repeat or _was_refused(error) or not isinstance(error, TransientError):
        return error
    return AmbiguousWriteError(
        error.message,
        advice="Whether it was written is not known: look before it is sent again.",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )


def _was_refused(error: ConnectorError) -> bool:
    """Whether the server said that it did nothing: 429 and its kind, but not a time-out on its side."""
    return (error.status or 0) // 100 == HTTPStatus.BAD_REQUEST // 100 and (
        error.status != HTTPStatus.REQUEST_TIMEOUT
    )
