"""The OAuth2 authorization-code flow: a person agrees in the browser, and a token comes back."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from typing_extensions import override

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError, CredentialsError, TransientError
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.transport import Transport
from kinetic_mailchimp.kit.http.web_url import split_url
from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.mailchimp.settings import METADATA_URL

AUTHORIZE_URL = "https://login.mailchimp.com/oauth2/authorize"
TOKEN_URL = "https://login.mailchimp.com/oauth2/token"  # noqa: S105 (an address)
DEFAULT_REDIRECT = "http://127.0.0.1:8731/mailchimp"

_DONE = "Mailchimp said yes. This window can be closed."
_REFUSED = "Mailchimp did not say yes. This window can be closed; the terminal says why."


@dataclass(frozen=True)
class OAuthApplication:
    """An application that is registered in Mailchimp, and where to speak to it.

    Attributes:
        redirect_uri: Registered word for word; on this machine.
        metadata_url: Where the data centre of a token is asked for.
    """

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str = DEFAULT_REDIRECT
    authorize_url: str = AUTHORIZE_URL
    token_url: str = TOKEN_URL
    metadata_url: str = METADATA_URL

    def authorization_url(self, state: str) -> str:
        """The URL where a person agrees; `state` comes back with the answer."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": state,
        }
        return f"{self.authorize_url}?{urlencode(query)}"


_SECONDS_OF_SILENCE = 5.0
"""Seconds for which the callback waits for the next byte of a request."""


class Callback:
    """Waits on this machine for the answer that the browser brings.

    Args:
        redirect_uri: Where it will come to; port 0 lets the system choose one.
        state: What it must carry.
        clock: Monotonic seconds.

    Raises:
        ConfigurationError: The address is not on this machine, or its port is taken.
    """

    def __init__(self, redirect_uri: str, state: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        parts = split_url(redirect_uri)
        if parts is None or parts.scheme != "http" or parts.hostname not in {"127.0.0.1", "localhost"}:
            raise ConfigurationError(
                "The redirect URL is not on this machine.",
                advice="Register one such as http://127.0.0.1:8731/mailchimp, and give it as --redirect-uri.",
            )
        self._path = parts.path or "/"
        self._state = state
        self._clock = clock
        self._code: str | None = None
        self._refusal: str | None = None
        self._answering = threading.Lock()
        port = 80 if parts.port is None else parts.port
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
            self._server.daemon_threads = True
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} cannot be opened: {error.strerror}.",
                advice="Register a redirect URL with another port, and give it as --redirect-uri.",
            ) from error
        self.redirect_uri = f"http://{parts.hostname}:{self._server.server_port}{self._path}"

    def wait(self, seconds: float) -> str:
        """The code, once the person agreed.

        Raises:
            CredentialsError: The person or Mailchimp refused.
            TransientError: Nobody answered in time.
        """
        give_up_at = self._clock() + seconds
        with self._server:
            while self._code is None and self._refusal is None:
                left = give_up_at - self._clock()
                if left <= 0:
                    raise TransientError("Nobody agreed in time.", advice="Run the command again.")
                self._server.timeout = min(left, 1.0)
                self._server.handle_request()
            with self._answering:
                pass  # the person gets all of the page: its thread would end with the process
        if self._code is None:
            raise CredentialsError(
                f"Mailchimp did not give access: {self._refusal}.",
                advice="Log in as a user who may connect applications, and agree.",
            )
        return self._code

    def _take(self, target: str) -> tuple[HTTPStatus, str]:
        """The answer to a request of the browser."""
        try:
            parts = urlsplit(target)
        except ValueError:
            return HTTPStatus.BAD_REQUEST, "The address cannot be read."
        answer = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path != self._path:
            return HTTPStatus.NOT_FOUND, "There is nothing here."
        # A call without the state is not the answer to our question, and decides nothing.
        if not hmac.compare_digest(answer.get("state", "").encode(), self._state.encode()):
            return HTTPStatus.BAD_REQUEST, "This answer belongs to no question of ours."
        if "code" in answer:
            self._code = answer["code"]
            return HTTPStatus.OK, _DONE
        self._refusal = answer.get("error", "no reason was given")
        return HTTPStatus.OK, _REFUSED

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take, answering = self._take, self._answering

        class Handler(BaseHTTPRequestHandler):
            timeout = _SECONDS_OF_SILENCE

            def do_GET(self) -> None:
                with answering:
                    status, text = take(self.path)
                    body = text.encode()
                    self.send_response(status)
                    self.send_header("Content-Type", "text/plain; charset=utf-8")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: the address of the request holds the code."""

        return Handler


def exchange_code(application: OAuthApplication, code: str) -> str:
    """The access token for a code, which is good for one exchange.

    Args:
        application: The registered application.
        code: From the answer to the redirect URL; it lives for seconds.

    Raises:
        CredentialsError: Mailchimp refused; the message says whether the application or the code is wrong.
    """
    form = {
        "grant_type": "authorization_code",
        "client_id": application.client_id,
        "client_secret": application.client_secret,
        "redirect_uri": application.redirect_uri,
        "code": code,
    }
    MASKER.add([application.client_secret, code])
    answer = Transport(_classify_token).send(Request("POST", application.token_url, form=form))
    token = str(answer.document["access_token"])
    MASKER.add([token])
    return token


_TOKEN_ERRORS = {
    "invalid_client": "The client id or the client secret is wrong.",
    "invalid_grant": "The code was used already, is too old, or belongs to another redirect URL.",
}


def _classify_token(request: Request, answer: Answer) -> ConnectorError | None:
    told = answer.json_object or {}
    if answer.status == HTTPStatus.OK and answer.is_json and isinstance(told.get("access_token"), str):
        return None
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return TransientError(
            f"{request}: Mailchimp cannot answer now.", advice="Run the command again.", status=answer.status
        )
    error = str(told.get("error") or "no reason was given")
    return CredentialsError(
        f"Mailchimp gives no token: {_TOKEN_ERRORS.get(error, error)}",
        advice="Check --client-id, --client-secret and --redirect-uri against the registered application.",
        status=answer.status,
        code=error,
    )
