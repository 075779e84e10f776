"""Keeps what the inbox stores unreadable to whoever only has the file, when a key is set."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass

from kinetic_mailchimp.kit.email_address import email_key
from kinetic_mailchimp.kit.encryption import SecretBox, is_encrypted


@dataclass(frozen=True)
class Sealing:
    """Encrypts with the first key, reads with any; without keys it stores in clear."""

    box: SecretBox | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Sealing:
        """The keys of this process, where it has any.

        Raises:
            ConfigurationError: The source of the keys cannot be read.
        """
        return cls(SecretBox.find(environment))

    def seal(self, clear: str) -> str:
        """The text as it is stored."""
        return self.box.encrypt(clear) if self.box else clear

    def open(self, stored: str) -> str:
        """The text in clear, also where it was stored before a key was set.

        Raises:
            ConfigurationError: It was stored with a key that is not set here.
        """
        if not is_encrypted(stored):
            return stored
        return (self.box or SecretBox.from_environment()).decrypt(stored)

    def address_digests(self, address: str) -> list[bytes]:
        """What an address is found by: first as it is stored now, then under older keys and under none."""
        key = email_key(address).encode()
        keyed = [
            hmac.digest(secret.encode(), key, "sha256") for secret in (self.box.keys if self.box else ())
        ]
        return [*keyed, hashlib.sha256(key).digest()]
