"""Checks that a delivery was signed by Mailchimp: HMAC-SHA256 over its time and its raw body."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

HEADER = "X-Mailchimp-Signature"
CLOCK_SECONDS = 300
"""Seconds that the sender's clock may be ahead."""

MAX_AGE_SECONDS = 7_200
"""Seconds that a signature may be old. Mailchimp repeats a delivery for 75 minutes and may send the first
signature again: a refusal would lose the event. A replay does no harm, as the same content is stored once."""

LONGEST_HEADER = 2_000
MOST_DIGESTS = 10
"""Digests in one header: one is usual, two while a secret is changed."""

_TIME = re.compile(r"[0-9]{1,15}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


UNREADABLE_ADVICE = (
    "Set the CONNECTOR_SECRET_KEY and MAILCHIMP_WEBHOOKS_SECRET of the time of the registration (several are "
    "accepted, separated by commas), or run `mailchimp-webhooks unregister` and `register`."
)


class SignatureError(ValueError):
    """A signature is missing, malformed, too old, or not made with a known secret."""


def verify(
    header: str | None, body: bytes, secrets: Iterable[str], now: float, max_age: float = MAX_AGE_SECONDS
) -> None:
    """Check the header `t=<unix seconds>,v1=<hex digest>` of a delivery.

    Several `v1` and several secrets are accepted while a hook's secret is being changed.

    Args:
        header: The value of X-Mailchimp-Signature, None without one.
        body: As it was received, before any parsing.
        secrets: The signing secrets of all hooks that lead here.
        now: Unix seconds.
        max_age: Seconds that a signature may be old.

    Raises:
        SignatureError: The delivery is not authentic.
    """
    if header is None:
        raise SignatureError(f"the header {HEADER} is missing")
    stamp, digests = _parts(header)
    if not -CLOCK_SECONDS <= now - int(stamp) <= max_age:
        raise SignatureError(
            f"the signature's time is more than {max_age:g} s before or {CLOCK_SECONDS} s after this clock"
        )
    expected = [_sign(secret, stamp, body) for secret in secrets]
    matches = [hmac.compare_digest(right, digest) for right in expected for digest in digests]
    if not any(matches):
        raise SignatureError("the signature was not made with a signing secret that is known here")


def _parts(header: str) -> tuple[str, list[str]]:
    if len(header) > LONGEST_HEADER:
        raise SignatureError(f"the header {HEADER} is longer than {LONGEST_HEADER} characters")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in pairs if name == "t" and _TIME.fullmatch(value)]
    digests = [value.lower() for name, _, value in pairs if name == "v1" and _DIGEST.fullmatch(value)]
    if len(stamps) != 1 or not 0 < len(digests) <= MOST_DIGESTS:
        raise SignatureError(f"the header {HEADER} is malformed")
    return stamps[0], digests


def _sign(secret: str, stamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
