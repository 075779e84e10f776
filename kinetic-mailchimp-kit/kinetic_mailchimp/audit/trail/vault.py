"""Encryption of complete records at rest, where the caller hands in a key."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken

from kinetic_mailchimp.kit.errors import ConfigurationError, DataError

SEALED_PREFIX = "fernet:"


class Vault:
    """Turns text into what is stored, and back.

    Args:
        key: A Fernet key (32 bytes in URL-safe Base64), or None to store in clear.

    Raises:
        ConfigurationError: If the key is not a Fernet key.
    """

    def __init__(self, key: str | None) -> None:
        try:
            self._fernet = Fernet(key) if key else None
        except ValueError:
            # The cause is left out: it could show the key.
            raise ConfigurationError(
                "The key for stored payloads is not usable: it is not 32 bytes in URL-safe Base64.",
                advice="Make one with `connector-secrets keygen` and set AUDIT_ENCRYPTION_KEY.",
            ) from None

    def seal(self, text: str) -> str:
        """What to store for a text."""
        if self._fernet is None:
            return text
        return SEALED_PREFIX + self._fernet.encrypt(text.encode()).decode()

    def unseal(self, stored: str) -> str:
        """The text that was stored.

        Raises:
            ConfigurationError: If it was encrypted and no key is set.
            DataError: If it was encrypted with another key.
        """
        if not stored.startswith(SEALED_PREFIX):
            return stored
        if self._fernet is None:
            raise ConfigurationError(
                "This record is stored encrypted and no key is set.",
                advice="Set AUDIT_ENCRYPTION_KEY to the key with which it was written.",
            )
        try:
            return self._fernet.decrypt(stored[len(SEALED_PREFIX) :]).decode()
        except InvalidToken as error:
            raise DataError(
                "This record was encrypted with another key.",
                advice="Set AUDIT_ENCRYPTION_KEY to the key with which it was written.",
            ) from error
