"""Authorizations of requests: the headers that say who calls."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Protocol

from kinetic_mailchimp.kit.redaction.masker import MASKER


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
