"""The arithmetic of the hash chains: pure functions from content to digests."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from msgspec.msgpack import Encoder

from kinetic_mailchimp.kit.database.bulk_insert import Scalar
from kinetic_mailchimp.kit.parsing.email_address import normalise_address

DIGEST_SIZE: Final = 32
SALT_SIZE: Final = 16
PERSON_SIZE: Final = 16

# Another encoding, or another hash, is another `journal.FORMAT`.
# A MessagePack array: no two rows encode alike, as it tells text from bytes, and 1 from 1.0 and from true.
_encode: Final = Encoder().encode


def link(previous: bytes, values: Sequence[Scalar]) -> bytes:
    """The digest of an entry.

    Args:
        previous: The digest of the entry before it.
        values: Its values.
    """
    return blake2b(previous + _encode(values), digest_size=DIGEST_SIZE).digest()


def private_digest(salt: bytes, values: Sequence[Scalar]) -> bytes:
    """The digest of an entry's personal data.

    It is keyed with a salt of its own: once the salt is deleted, nobody can find out by trying addresses
    whose data it stood for.

    Args:
        salt: Random bytes of this entry alone.
        values: The personal values.
    """
    return blake2b(_encode(values), key=salt, digest_size=DIGEST_SIZE).digest()


def person_digest(key: bytes, address: str) -> bytes:
    """Pseudonym of a person: the address, hashed with the key of this trail.

    It stays when the person is erased, so that a search for the address still finds what was decided.

    Args:
        key: The secret key of the trail.
        address: The e-mail address, in any spelling.
    """
    return blake2b(
        normalise_address(address).encode("utf-8", "replace"), key=key, digest_size=PERSON_SIZE
    ).digest()
