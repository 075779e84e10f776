"""Sends HTTP requests: one retry policy, one limit of connections, one meaning of failure."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

import requests
from requests import exceptions as failures

from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    TransientError,
)
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.response_bounds import (
    MAX_MIB,
    MAX_SECONDS,
    ResponseLimits,
    TooLargeError,
    TooSlowError,
    bounded_session,
)
from kinetic_mailchimp.kit.http.retry import RetryPolicy
from kinetic_mailchimp.kit.http.web_url import IN_CLEAR, travels_in_clear
from kinetic_mailchimp.kit.redaction.masker import MASKER

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 120.0
_CHUNK = 64 * 1024


class Authorization(Protocol):
    """Says who we are. Shared by threads."""

    def headers(self) -> Mapping[str, str]:
        """The headers of the next request; renews what is about to expire."""

    def renew(self, refused: Mapping[str, str]) -> bool:
        """After these headers were refused: get fresh ones. False when there is nothing to renew."""


class FixedAuthorization:
    """The same headers for every request."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = dict(headers)

    def headers(self) -> Mapping[str, str]:
        """The headers of every request."""
        return self._headers

    def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002 (the protocol's form)
        """There is nothing to renew."""
        return False


def basic_login(user: str, password: str) -> str:
    """The value of an Authorization header; it is masked in logs from then on.

    Args:
        user: The name, without a colon.
        password: The password, or a key in its place.
    """
    value = base64.b64encode(f"{user}:{password}".encode()).decode()
    MASKER.add([value])
    return f"Basic {value}"


Classify = Callable[[Request, Answer], "ConnectorError | None"]
"""Returns the error that an answer means; None for success. One table per vendor."""


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

    def __init__(  # noqa: PLR0913 (one argument for each thing that differs)
        self,
        classify: Classify,
        *,
        authorization: Authorization | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        retry: RetryPolicy | None = None,
        max_connections: int = 2,
        ca_bundle: str | None = None,
        url_from: str = "base_url",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._classify = classify
        self._authorization = authorization
        self._retry = retry or RetryPolicy()
        self._connect_timeout = min(timeout, self._retry.connect_seconds)
        self._timeout = min(timeout, self._retry.answer_seconds)
        self._slots = threading.BoundedSemaphore(max_connections)
        self._sleep = sleep
        self._clock = clock
        self._verify = ca_bundle or True
        self._limits = ResponseLimits.from_environment()
        self._session = bounded_session(self._limits, clock=clock, max_connections=max_connections)
        self._session.headers["Accept"] = "application/json"
        self._origins: set[str] = set()
        self._check_url = f"Check `{url_from}`"
        self._count_lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        """Attempts so far, by method."""

    def send(self, request: Request) -> Answer:
        """Send a request, again where that can help.

        Raises:
            ConnectorError: What remained after all attempts.
        """
        give_up_at = self._clock() + self._retry.max_seconds
        max_attempts = request.max_attempts or self._retry.max_attempts
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
                if attempt >= max_attempts or self._clock() + pause > give_up_at:
                    raise
                told = str(error)
                logger.warning(
                    "%s Trying again in %.1f s (attempt %d of %d).",
                    told if str(request) in told else f"{request}: {told}",
                    pause,
                    attempt + 1,
                    max_attempts,
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
        error = _ambiguous_if_write(request, error)
        error.seconds = answer.seconds
        raise error

    def _exchange(self, request: Request, identity: Mapping[str, str]) -> Answer:
        started = self._clock()
        try:
            self._check_origin(request)
            response, body = self._call(request, identity)
        except failures.InvalidHeader as error:
            raise ConfigurationError(
                "A header cannot carry the credentials as they are.",
                advice="Check the key, the user and the password for line ends and spaces around them.",
            ) from error
        except (failures.InvalidURL, failures.MissingSchema, failures.InvalidSchema) as error:
            raise ConfigurationError(
                f"{request} is not a URL that can be called.", advice=f"{self._check_url}."
            ) from error
        except failures.ConnectTimeout as error:
            raise TransientError(
                f"{request}: no connection within {self._connect_timeout:g} s.",
                advice=f"{self._check_url} and the network.",
            ) from error
        except failures.RequestException as error:
            raise self._connection_error(request, error) from error
        except OSError as error:
            raise ConfigurationError(
                "The file with CA certificates cannot be read.",
                advice="Check `ca_bundle`, and the variable REQUESTS_CA_BUNDLE.",
            ) from error
        except UnicodeError as error:
            raise ConfigurationError(
                "A header cannot carry a character of the credentials.",
                advice="Check the key, the user and the password for characters outside Latin-1.",
            ) from error
        return Answer(
            status=response.status_code,
            headers=response.headers,
            body=body,
            seconds=self._clock() - started,
        )

    def _check_origin(self, request: Request) -> None:
        """Refuse a login in a URL and warn of one in clear, once for each server."""
        origin = request.url.partition("://")[2].partition("/")[0]
        if origin in self._origins:
            return
        if "@" in origin:
            raise ConfigurationError(
                f"The URL of {request} holds a login before the host.",
                advice="Leave it out: credentials have settings of their own.",
            )
        if travels_in_clear(request.url):
            logger.warning("The URL of %s %s", request, IN_CLEAR)
        self._origins.add(origin)

    def _connection_error(self, request: Request, error: failures.RequestException) -> ConnectorError:
        """The error that no answer means."""
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return ConfigurationError(
                f"{request}: the TLS certificate of the server is not trusted.",
                advice="For a self-signed or private certificate, name its CA file in `ca_bundle`, "
                "or in the variable REQUESTS_CA_BUNDLE.",
            )
        if _speaks_no_tls(error):
            return ConfigurationError(
                f"{request}: the server does not speak TLS at this port.",
                advice=f"{self._check_url}: another port, or `http://`.",
            )
        if _was_never_sent(error):
            return TransientError(f"{request}: no connection.", advice=f"{self._check_url} and the network.")
        if isinstance(error, failures.Timeout):
            return _ambiguous_if_write(request, request.timeout_error(f"{request}: no answer in time."))
        advice = f"If the server speaks TLS at this port: {self._check_url} for `https://`."
        in_clear = request.url.startswith("http://")
        advice = advice if in_clear else "If it lasts, look for a firewall or a proxy on the way."
        broken = TransientError(f"{request}: the connection broke.", advice=advice)
        return _ambiguous_if_write(request, broken)

    def _call(self, request: Request, identity: Mapping[str, str]) -> tuple[requests.Response, bytes]:
        try:
            response = self._session.request(
                request.method,
                request.full_url,
                headers={**request.headers, **identity},
                json=request.json,
                data=request.form,
                auth=_no_netrc,
                timeout=(self._connect_timeout, self._timeout),
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            )
            with response:
                return response, self._body(response)
        except TooLargeError as error:
            raise self._too_large(request) from error
        except TooSlowError as error:
            message = (
                f"{request}: the answer took longer than {self._limits.seconds:g} s in all (`{MAX_SECONDS}`)."
            )
            raise _ambiguous_if_write(request, request.timeout_error(message)) from error

    def _body(self, response: requests.Response) -> bytes:
        """All of the body, unpacked piece by piece: a small answer can hold more than the memory."""
        pieces: list[bytes] = []
        left = self._limits.size
        for piece in response.iter_content(_CHUNK):
            left -= len(piece)
            if left < 0:
                raise TooLargeError
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _too_large(self, request: Request) -> ConnectorError:
        message = f"{request}: the answer has more than {self._limits.mib:g} MiB (`{MAX_MIB}`)."
        advice = f"Read less at once, or set the variable `{MAX_MIB}` higher if it is right so."
        if not request.may_repeat:
            return _ambiguous_if_write(request, TransientError(message, advice=advice))
        return ConfigurationError(message, advice=advice)


def _speaks_no_tls(error: failures.RequestException) -> bool:
    """Tell whether the bytes in a TLS handshake were not TLS: the words of OpenSSL differ by version."""
    words = str(error).upper().replace(" ", "_")
    return any(told in words for told in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"))


def _was_never_sent(error: failures.RequestException) -> bool:
    """Tell whether the connection was never made, so that the server can have done nothing."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError", "ConnectTimeoutError"}


def _unreadable(answer: Answer) -> ConnectorError | None:
    """A success whose JSON body is cut off."""
    if not (answer.body and answer.is_json):
        return None
    try:
        answer.document  # noqa: B018 (parses)
    except ValueError:
        return TransientError(
            "The answer is cut off or is not valid JSON.",
            advice="If it lasts, look for a proxy that cuts answers.",
            status=answer.status,
        )
    return None


def _ambiguous_if_write(request: Request, error: ConnectorError) -> ConnectorError:
    """The same failure; of a write that must not simply be repeated, an ambiguous one."""
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
    """Tell whether the server said that it did nothing: 429 and its kind, but not a time-out on its side."""
    return (error.status or 0) // 100 == HTTPStatus.BAD_REQUEST // 100 and (
        error.status != HTTPStatus.REQUEST_TIMEOUT
    )
