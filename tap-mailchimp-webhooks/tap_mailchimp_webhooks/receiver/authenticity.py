"""Checks that a delivery really comes from Mailchimp."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kinetic_mailchimp.kit.errors import ConnectorError

from tap_mailchimp_webhooks.webhooks.signature import MAX_AGE_SECONDS, SignatureError, verify

logger = logging.getLogger(__name__)

STALE_AFTER_SECONDS = 30.0
SHORTEST_RELOAD_SECONDS = 0.5


@dataclass(frozen=True)
class SigningPolicy:
    """Rules for signatures that follow from the registered webhooks.

    Attributes:
        secrets: Signing secrets of all webhooks that have one.
        all_signed: True if every webhook has one.
        max_age: Seconds that a signature may be old.
    """

    secrets: tuple[str, ...] = ()
    all_signed: bool = False
    max_age: float = MAX_AGE_SECONDS

    @classmethod
    def of(cls, secrets: Sequence[str | None], max_age: float) -> SigningPolicy:
        """The policy for the registered webhooks.

        Args:
            secrets: The signing secret of each; None stands for one whose deliveries are not signed.
            max_age: Seconds that a signature may be old.
        """
        return cls(tuple(secret for secret in secrets if secret), None not in secrets, max_age)

    def check(self, header: str | None, body: bytes, now: float) -> None:
        """Check a delivery whose path secret is right.

        A signature that is there must be right wherever it can be checked. It may be missing only while a
        webhook is registered that was made before Mailchimp signed.

        Args:
            header: The value of X-Mailchimp-Signature, None without one.
            body: As it was received.
            now: Unix seconds.

        Raises:
            SignatureError: The delivery is not authentic.
        """
        if self.secrets and (header is not None or self.all_signed):
            verify(header, body, self.secrets, now, self.max_age)


class Authenticity:
    """Checks signatures, and learns of webhooks that are registered while the receiver runs.

    Args:
        load: Reads the signing secrets of the registered webhooks.
        now: Unix seconds.
        max_age: Seconds that a signature may be old.
    """

    def __init__(
        self, load: Callable[[], Sequence[str | None]], now: Callable[[], float], max_age: float
    ) -> None:
        self._load = load
        self._now = now
        self._max_age = max_age
        self._policy = SigningPolicy()
        self._loaded_at = float("-inf")

    async def check(self, header: str | None, body: bytes) -> None:
        """Check a delivery.

        Args:
            header: The value of X-Mailchimp-Signature, None without one.
            body: As it was received.

        Raises:
            SignatureError: It is not authentic.
        """
        if time.monotonic() - self._loaded_at > STALE_AFTER_SECONDS:
            await self.reload()
        try:
            self._policy.check(header, body, self._now())
        except SignatureError:
            if time.monotonic() - self._loaded_at < SHORTEST_RELOAD_SECONDS:
                raise
            await self.reload()
            self._policy.check(header, body, self._now())

    async def reload(self) -> None:
        """Read the registered webhooks again; those that were known stay where that fails."""
        self._loaded_at = time.monotonic()
        try:
            self._policy = SigningPolicy.of(await asyncio.to_thread(self._load), self._max_age)
        except ConnectorError as error:
            logger.error("The registered webhooks cannot be read: %s", error)  # noqa: TRY400 (the advice is in it)
