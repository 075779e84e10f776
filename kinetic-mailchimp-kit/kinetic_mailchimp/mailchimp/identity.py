"""The identity of the caller, and the key by which Mailchimp names a person."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from kinetic_mailchimp.kit.email_address import email_key


def subscriber_hash(address: str) -> str:
    """The key of a member in the paths of the API: MD5 of the lower-cased address, in hex."""
    return hashlib.md5(email_key(address).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class KeyAuthorization:
    """HTTP Basic with an API key; the user name is ignored by Mailchimp."""

    api_key: str

    def headers(self) -> Mapping[str, str]:
        """The header with the key."""
        login = base64.b64encode(f"connector:{self.api_key}".encode()).decode()
        return {"Authorization": f"Basic {login}"}

    def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002 (the protocol's form)
        """There is no other key to try."""
        return False


@dataclass(frozen=True)
class TokenAuthorization:
    """Bearer with an OAuth2 access token. It does not expire: when it is refused, it was revoked."""

    access_token: str

    def headers(self) -> Mapping[str, str]:
        """The header with the token."""
        return {"Authorization": f"Bearer {self.access_token}"}

    def renew(self, refused: Mapping[str, str]) -> bool:  # noqa: ARG002 (the protocol's form)
        """Mailchimp gives no refresh tokens."""
        return False
