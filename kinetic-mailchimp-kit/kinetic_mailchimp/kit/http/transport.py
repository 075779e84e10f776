"""Sends HTTP requests: one retry policy, one limit of connections, one meaning of failure."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import requests
from requests import exceptions as failures

from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConfigurationError,
    ConnectorError,
    CredentialsError,
    TransientError,
    UnreachableError,
)
from kinetic_mailchimp.kit.http.authorization import Authorization
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.failures import ambiguous_if_write, connection_error, unreadable
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

logger = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 120.0
_CHUNK = 64 * 1024


Classify = Callable[[Request, Answer], "ConnectorError | None"]
"""Returns the error that an answer means; None for success. One table per vendor."""


class AnswerTooLargeError(ConfigurationError):
    """An answer has more bytes than the setting allows, and would have them again."""


class Transport:
    """Sends requests and answers with success or a ConnectorError. Shared by threads.

    Args:
        classify: What an answer means.
        authorization: Says who we are; without it, nothing is added.
        timeout: Seconds to connect, and seconds between two bytes of an answer.
        retry: Bounds on trying again.
        max_connections: Requests in flight at once; more wait.
        ca_bundle: A file of CA certificates to trust instead of the usual ones.
        url_from: The setting that the URL is from, for messages.
        limits: Bounds of an answer; those of the environment by default.
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
        limits: ResponseLimits | None = None,
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
        self._limits = limits or ResponseLimits.from_environment()
        self._session = bounded_session(self._limits, clock=clock, max_connections=max_connections)
        self._session.headers["Accept"] = "application/json"
        self._origins: set[str] = set()
        self._url_from = url_from
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
                if isinstance(error, UnreachableError) and not self._retry.awaits_server:
                    raise
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
        error = self._classify(request, answer) or unreadable(answer)
        if error is None:
            return answer
        error = ambiguous_if_write(request, error)
        error.seconds = answer.seconds
        raise error

    def _exchange(self, request: Request, identity: Mapping[str, str]) -> Answer:
        started = self._clock()
        try:
            self._check_origin(request)
            response, body = self._call(request, identity)
        except (failures.RequestException, OSError, ValueError) as error:
            raise connection_error(
                request, error, url_from=self._url_from, connect_seconds=self._connect_timeout
            ) from error
        return Answer(
            status=response.status_code,
            headers=response.headers,
            body=body,
            seconds=self._clock() - started,
            parse=request.parse,
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

    def _call(self, request: Request, identity: Mapping[str, str]) -> tuple[requests.Response, bytes]:
        try:
            response = self._session.request(
                request.method,
                request.full_url,
                headers={**request.headers, **identity},
                json=request.json,
                data=request.form,
                # Or requests would put a login from a .netrc file over our own headers.
                auth=lambda prepared: prepared,
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
            raise ambiguous_if_write(request, request.timeout_error(message)) from error

    def _body(self, response: requests.Response) -> bytes:
        """All of the body, unpacked piece by piece: a small answer can hold more than the memory."""
        body = io.BytesIO()  # which hands its bytes out without a copy
        left = self._limits.size
        for piece in response.iter_content(_CHUNK):
            left -= len(piece)
            if left < 0:
                raise TooLargeError
            body.write(piece)
        return body.getvalue()

    def _too_large(self, request: Request) -> ConnectorError:
        message = f"{request}: the answer has more than {self._limits.mib:g} MiB (`{MAX_MIB}`)."
        advice = f"Read less at once, or set the variable `{MAX_MIB}` higher if it is right so."
        if not request.may_repeat:
            return ambiguous_if_write(request, TransientError(message, advice=advice))
        return AnswerTooLargeError(message, advice=advice)
