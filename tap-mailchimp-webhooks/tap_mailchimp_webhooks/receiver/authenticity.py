"""Checks that a delivery really comes from Mailchimp."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from kinetic_mailchimp.kit.errors import ConnectorError

from tap_mailchimp_webhooks.webhooks.registry import SigningSecrets
from tap_mailchimp_webhooks.webhooks.signature import UNREADABLE_ADVICE, SignatureError, verify

logger = logging.getLogger(__name__)

STALE_AFTER_SECONDS = 30.0
SHORTEST_RELOAD_SECONDS = 0.5
LONGEST_RELOAD_SECONDS = 3.0
"""After which a delivery is checked with what is known: Mailchimp waits 10 s, and the commit comes yet."""


class UncheckableError(Exception):
    """A delivery whose signature cannot be checked, for a reason on this side."""


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
        self._secrets: SigningSecrets | None = None
        self._loaded_at = float("-inf")
        self._first = asyncio.Lock()
        self._loading: asyncio.Future[None] | None = None

    async def check(self, header: str | None, body: bytes) -> bool:
        """Check a delivery.

        Returns:
            True if its signature was checked, False if it may go without.

        Raises:
            SignatureError: It is not authentic.
            UncheckableError: The secrets that it must be checked with cannot be read.
        """
        if self._secrets is None:
            async with self._first:
                if self._secrets is None and self._age() > SHORTEST_RELOAD_SECONDS:
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
        """Check with the secrets that were read last.

        A signature that is there must be right wherever it can be checked. It may be missing only while a
        webhook is registered that was made before Mailchimp signed, or none is.
        """
        secrets = self._secrets
        if secrets is None:
            raise UncheckableError("The registered webhooks were not read yet.")
        if header is None and (secrets.unsigned or not (secrets.readable or secrets.unreadable)):
            return False
        if secrets.readable:
            verify(header, body, secrets.readable, self._now(), self._max_age)
            return True
        if secrets.unreadable:
            raise UncheckableError("None of the signing secrets can be read.")
        return False

    async def unreadable(self) -> tuple[int, list[str]]:
        """The number of signing secrets that cannot be read, and a sentence if deliveries fail for that."""
        await self.reload()
        secrets = self._secrets
        if secrets is None:
            return 0, ["The registered webhooks cannot be read. Check `inbox_database_url`."]
        if not secrets.unreadable or secrets.readable:
            return secrets.unreadable, []
        return secrets.unreadable, [f"None of the signing secrets can be read. {UNREADABLE_ADVICE}"]

    async def reload(self) -> None:
        """Read the registered webhooks again; those that were known stay where that fails or takes long."""
        self._loaded_at = time.monotonic()
        # A database that hangs keeps one thread, however often it is asked.
        if self._loading is None or self._loading.done():
            self._loading = asyncio.ensure_future(self._read())
        await asyncio.wait([self._loading], timeout=LONGEST_RELOAD_SECONDS)

    async def _read(self) -> None:
        try:
            secrets = await asyncio.to_thread(self._load)
        except ConnectorError as error:
            logger.error("The registered webhooks cannot be read: %s", error)  # noqa: TRY400 (the advice is in it)
            return
        if secrets.unreadable and secrets != self._secrets:
            logger.error("%d signing secrets cannot be read. %s", secrets.unreadable, UNREADABLE_ADVICE)
        self._secrets = secrets
