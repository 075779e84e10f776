"""Failures of a call without a usable answer, in words: what may have happened, and what to check."""

from __future__ import annotations

import re
import socket
from http import HTTPStatus
from urllib.parse import urlsplit

from requests import exceptions as failures
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from kinetic_mailchimp.kit.errors import (
    AmbiguousWriteError,
    ConfigurationError,
    ConnectorError,
    TransientError,
    UnreachableError,
)
from kinetic_mailchimp.kit.http.call import Answer, Request


def connection_error(
    request: Request, error: Exception, *, url_from: str, connect_seconds: float
) -> ConnectorError:
    """The error that no answer means.

    Args:
        request: The call.
        error: As requests raised it, the file system for a file of certificates, or what reads HTTP.
        url_from: The setting that holds the URL.
        connect_seconds: Seconds that the connection had.
    """
    check = f"Check `{url_from}`"
    is_of_answer = isinstance(next(iter(error.args), None), HTTPError)  # a malformed header of it
    if isinstance(error, failures.InvalidHeader) and not is_of_answer:
        return ConfigurationError(
            "A header cannot carry the credentials as they are.",
            advice="Check the key, the user and the password for line ends and spaces around them.",
        )
    if isinstance(error, failures.InvalidURL | failures.MissingSchema | failures.InvalidSchema):
        return ConfigurationError(f"{request} is not a URL that can be called.", advice=f"{check}.")
    if isinstance(error, failures.ConnectTimeout):
        return UnreachableError(
            f"{request}: no connection within {connect_seconds:g} s.", advice=f"{check} and the network."
        )
    if isinstance(error, UnicodeEncodeError):
        return ConfigurationError(
            "A header cannot carry a character of the credentials.",
            advice="Check the key, the user and the password for characters outside Latin-1.",
        )
    if isinstance(error, OSError) and not isinstance(error, failures.RequestException):
        return ConfigurationError(
            "The file with CA certificates cannot be read.",
            advice="Check `ca_bundle`, and the variable REQUESTS_CA_BUNDLE.",
        )
    return _broken_connection(request, error, url_from)


def _broken_connection(request: Request, error: Exception, url_from: str) -> ConnectorError:
    """The error of a connection that was not made, or broke off, or brought what is not HTTP."""
    check = f"Check `{url_from}`"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return _refused_certificate(request, str(error), check)
    if isinstance(error, failures.ProxyError):
        return _unusable_proxy(request, str(error))
    if _speaks_no_tls(error):
        return ConfigurationError(
            f"{request}: the server does not speak TLS at this port.",
            advice=f"{check}: another port, or `http://`.",
        )
    if reason := _reason_for_no_connection(error):
        return _unreachable(request, reason, url_from)
    if isinstance(error, failures.Timeout):
        return ambiguous_if_write(request, request.timeout_error(f"{request}: no answer in time."))
    advice = f"If the server speaks TLS at this port: {check} for `https://`."
    in_clear = request.url.startswith("http://")
    advice = advice if in_clear else "If it lasts, look for a firewall or a proxy on the way."
    broken = TransientError(f"{request}: the connection broke.", advice=advice)
    return ambiguous_if_write(request, broken)


def _refused_certificate(request: Request, words: str, check: str) -> ConfigurationError:
    """The error of a certificate that does not pass, by the words of OpenSSL."""
    certificate = f"{request}: the TLS certificate of the server"
    if "mismatch" in words:
        return ConfigurationError(
            f"{certificate} is for another host.",
            advice=f"{check}: it names the host as the certificate does.",
        )
    if "expired" in words or "not yet valid" in words:
        return ConfigurationError(
            f"{certificate} has expired, or is not valid yet.",
            advice="Let it be renewed, and check the clock of this machine.",
        )
    return ConfigurationError(
        f"{certificate} is not trusted.",
        advice="For a self-signed or private certificate, name its CA file in `ca_bundle`, "
        "or in the variable REQUESTS_CA_BUNDLE.",
    )


def _unusable_proxy(request: Request, words: str) -> ConnectorError:
    """The error of a proxy that was not reached, or did not connect to the server: no call got there."""
    if refusal := re.search(r"Tunnel connection failed: (4\d\d)", words):
        return ConfigurationError(
            f"{request}: the proxy on the way refuses to connect (status {refusal[1]}).",
            advice="Set its login in `HTTPS_PROXY`, have it let the host pass, or name that in `NO_PROXY`.",
        )
    return UnreachableError(
        f"{request}: no connection by way of the proxy.",
        advice="Check `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` in the environment, and the proxy itself.",
    )


def _speaks_no_tls(error: Exception) -> bool:
    """Tell whether the bytes in a TLS handshake were not TLS: the words of OpenSSL differ by version."""
    words = str(error).upper().replace(" ", "_")
    return any(told in words for told in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"))


def _reason_for_no_connection(error: Exception) -> Exception | None:
    """The error of a connection that was never made, so that the server can have done nothing."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return reason if isinstance(reason, NewConnectionError | ConnectTimeoutError) else None


def _unreachable(request: Request, reason: Exception, url_from: str) -> UnreachableError:
    """The error of a connection that was never made, by what the system said."""
    cause, host = reason.__cause__, urlsplit(request.url).hostname
    if isinstance(cause, socket.gaierror):
        if cause.errno == socket.EAI_AGAIN:
            return UnreachableError(
                f"{request}: the name server does not answer.",
                advice=f"See that this machine is on its network, then check `{url_from}`.",
            )
        return UnreachableError(
            f"{request}: no server has the name {host}.",
            advice=f"Correct `{url_from}`; a name within a network needs that network, or its VPN.",
        )
    if isinstance(cause, ConnectionRefusedError):
        return UnreachableError(
            f"{request}: the connection was refused, for no program listens there.",
            advice=f"Check `{url_from}` for host and port, that the server runs, and the firewall.",
        )
    return UnreachableError(f"{request}: no connection.", advice=f"Check `{url_from}` and the network.")


def unreadable(answer: Answer) -> ConnectorError | None:
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


def ambiguous_if_write(request: Request, error: ConnectorError) -> ConnectorError:
    """The same failure; of a write that must not simply be repeated, an ambiguous one."""
    # 429 and its kind say that nothing was done; a time-out on the side of the server does not.
    was_refused = 400 <= (error.status or 0) < 500 and error.status != HTTPStatus.REQUEST_TIMEOUT  # noqa: PLR2004
    if request.may_repeat or was_refused or not isinstance(error, TransientError):
        return error
    return AmbiguousWriteError(
        error.message,
        advice="It may have been written: look before it is sent again.",
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )
