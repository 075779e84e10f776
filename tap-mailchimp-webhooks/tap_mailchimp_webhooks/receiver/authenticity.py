"""Checks that a delivery really comes from Mailchimp."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kinetic_mailchimp.kit.errors import ConnectorError

from tap_mailchimp_webhooks.webhooks.registry import SigningSecrets
from tap_mailchimp_webhooks.webhooks.signature import (
    MAX_AGE_SECONDS,
    UNREADABLE_ADVICE,
    SignatureError,
    verify,
)

logger = logging.getLogger(__name__)

STALE_AFTER_SECONDS = 30.0
SHORTEST_RELOAD_SECONDS = 0.5


class UncheckableError(Exception):
    """A delivery whose signature cannot be checked, for a reason on this side."""


@dataclass(frozen=True)
class SigningPolicy:
    """Rules for signatures that follow from the registered webhooks.

    Attributes:
        secrets: Of all registered webhooks.
        max_age: Seconds that a signature may be old.
    """

    secrets: SigningSecrets = field(default_factory=SigningSecrets)
    max_age: float = MAX_AGE_SECONDS

    def check(self, header: str | None, body: bytes, now: float) -> bool:
        """Check a delivery whose path secret is right.

        A signature that is there must be right wherever it can be checked. It may be missing only while a
        webhook is registered that was made before Mailchimp signed, or none is.

        Returns:
            True if its signature was checked, False if it may go without.

        Raises:
            SignatureError: The delivery is not authentic.
            UncheckableError: None of the signing secrets can be read.
        """
        secrets = self.secrets
        if header is None and (secrets.unsigned or not (secrets.readable or secrets.unreadable)):
            return False
        if secrets.readable:
            verify(header, body, secrets.readable, now, self.max_age)
            return True
        if secrets.unreadable:
            raise UncheckableError("None of the signing secrets can be read.")
        return False


class Authenticity:
    """Checks signatures, and learns of webhooks that are registered while the receiver runs.

    Args:
        load: Reads the signing secrets of the registered webhooks.
        now: Unix seconds.
        max_age: Seconds that a signature may be old.
    """

    def __init__(self, load: Callable[[], SigningSecrets], now: Callable[[], float], max_age: float) -> None:
        self._load = load
        self._now = now
        self._max_age = max_age
        self._policy: SigningPolicy | None = None
        self._loaded_at = float("-inf")
        self._first = asyncio.Lock()

    async def check(self, header: str | None, body: bytes) -> bool:
        """Check a delivery.

        Returns:
            True if its signature was checked, False if it may go without.

        Raises:
            SignatureError: It is not authentic.
            UncheckableError: The secrets that it must be checked with cannot be read.
        """
        if self._policy is None:
            async with self._first:
                if self._policy is None and self._age() > SHORTEST_RELOAD_SECONDS:
                    await self.reload()
        elif self._age() > STALE_AFTER_SECONDS:
            await self.reload()
        try:
            return self._check(header, body)
        except (SignatureError, UncheckableError):
            if self._age() < SHORTEST_RELOAD_SECONDS:
                raise
            await self.reload()
            return self._check(header, body)

    def _age(self) -> float:
        return time.monotonic() - self._loaded_at

    def _check(self, header: str | None, body: bytes) -> bool:
        if self._policy is None:
            raise UncheckableError("The registered webhooks were not read yet.")
        return self._policy.check(header, body, self._now())

    async def unreadable(self) -> tuple[int, list[str]]:
        """The number of signing secrets that cannot be read, and a sentence if deliveries fail for that."""
        await self.reload()
        if self._policy is None:
            return 0, ["The registered webhooks cannot be read. Check `inbox_database_url`."]
        secrets = self._policy.secrets
        if not secrets.unreadable or secrets.readable:
            return secrets.unreadable, []
        return secrets.unreadable, [f"None of the signing secrets can be read. {UNREADABLE_ADVICE}"]

    async def reload(self) -> None:
        """Read the registered webhooks again; those that were known stay where that fails."""
        self._loaded_at = time.monotonic()
        try:
            secrets = await asyncio.to_thread(self._load)
        except ConnectorError as error:
            logger.error("The registered webhooks cannot be read: %s", error)  # noqa: TRY400 (the advice is in it)
            return
        if secrets.unreadable and (self._policy is None or self._policy.secrets != secrets):
            logger.error("%d signing secrets cannot be read. %s", secrets.unreadable, UNREADABLE_ADVICE)
        self._policy = SigningPolicy(secrets, self._max_age)
