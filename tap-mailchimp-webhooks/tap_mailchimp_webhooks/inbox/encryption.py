"""Keeps what the inbox stores unreadable for anybody who only has the file, when a key is set."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass

from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.secrets import encryption
from kinetic_mailchimp.kit.secrets.encryption import SecretBox


@dataclass(frozen=True)
class FieldEncryption(encryption.FieldEncryption):
    """Encrypts with the first key, reads with any; without keys it stores in clear."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> FieldEncryption:
        """The keys of this process, where it has any.

        Raises:
            ConfigurationError: The source of the keys cannot be read.
        """
        return cls(SecretBox.find(environment))

    def address_digests(self, address: str) -> list[bytes]:
        """Digests that find an address: first as it is stored now, then under older keys and under none."""
        key = email_key(address).encode()
        keyed = [
            hmac.digest(secret.encode(), key, "sha256") for secret in (self.box.keys if self.box else ())
        ]
        return [*keyed, hashlib.sha256(key).digest()]
