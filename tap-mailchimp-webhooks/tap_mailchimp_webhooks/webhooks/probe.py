"""Checks that a receiver answers at its public URL, as Mailchimp does before it registers a webhook."""

from __future__ import annotations

from collections.abc import Mapping

import requests
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.response_bounds import (
    ResponseLimits,
    TooLargeError,
    TooSlowError,
    bounded_session,
)

TIMEOUT_SECONDS = 10.0
"""As long as Mailchimp waits."""
LARGEST_MIB = 1
"""Of what comes before the body, which is not read."""

_NO_RECEIVER = (
    "the proxy does not reach the receiver: check that `mailchimp-webhooks serve` runs, "
    "and where the proxy looks for it"
)
_MEANINGS: Mapping[int, str] = {
    401: "something in front of the receiver asks for a login: let the webhook's path pass without one",
    403: "a firewall or a proxy in front of the receiver refuses the call: let the webhook's path pass",
    404: "something answers, but not this receiver with this secret: check MAILCHIMP_WEBHOOKS_SECRET there "
    "and here, and the prefix under which the proxy publishes it",
    502: _NO_RECEIVER,
    503: _NO_RECEIVER,
    504: _NO_RECEIVER,
}


def probe(url: str) -> None:
    """Check that a URL answers with status 200.

    Raises:
        ConfigurationError: It does not; the advice says what to do.
    """
    try:
        with (
            bounded_session(ResponseLimits(LARGEST_MIB, TIMEOUT_SECONDS)) as session,
            session.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True) as response,
        ):
            pass
    except requests.exceptions.SSLError as error:
        raise _failure("its TLS certificate is not one that Mailchimp would trust") from error
    except (requests.exceptions.Timeout, TooSlowError) as error:
        raise _failure(
            f"there is no answer within {TIMEOUT_SECONDS:g} s: check the firewall and the proxy"
        ) from error
    except (requests.exceptions.RequestException, TooLargeError) as error:
        raise _failure(
            "no connection can be made: check the host name, the port and that the receiver runs"
        ) from error
    if response.status_code == requests.codes.ok:
        return
    if response.is_redirect:
        raise _failure("it redirects to another URL: register that one", response.status_code)
    raise _failure(
        _MEANINGS.get(response.status_code, "the answer must be 200"),
        response.status_code,
    )


def _failure(meaning: str, status: int | None = None) -> ConfigurationError:
    return ConfigurationError(
        f"The public URL of the receiver does not answer as it must: {meaning}.",
        advice="Mailchimp registers a webhook only while its URL answers. If only this machine cannot "
        "reach it, use --no-probe.",
        status=status,
    )
