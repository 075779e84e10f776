"""Keeps what the inbox stores unreadable for anybody who only has the file, when a key is set."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.kit.secrets import encryption


@dataclass(frozen=True)
class FieldEncryption(encryption.FieldEncryption):
    """Encrypts with the first key, reads with any; without keys it stores in clear."""

    def address_digests(self, address: str) -> list[bytes]:
        """Digests that find an address: first as it is stored now, then under older keys and under none."""
        key = email_key(address).encode()
        keyed = [
            hmac.digest(secret.encode(), key, "sha256") for secret in (self.box.keys if self.box else ())
        ]
        return [*keyed, hashlib.sha256(key).digest()]
