"""Keeps secrets out of everything that is logged."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

MASK = "********"
SHORTEST_SECRET = 4


class SecretMasker:
    """Replaces known secrets in text, in each form in which they travel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()

    def add(self, secrets: Iterable[str]) -> None:
        """Remember secrets. Very short ones are left out: to mask them would garble every text."""
        found = {form for secret in secrets if len(secret) >= SHORTEST_SECRET for form in _forms(secret)}
        with self._lock:
            # Longest first, so that no secret that contains another one is masked in part.
            self._forms = tuple(sorted({*self._forms, *found}, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """The text without any secret that is known."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def _forms(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("=")}


MASKER = SecretMasker()
"""The one of this process: what a plugin learned is masked in the log of every library."""


def mask_logs() -> None:
    """Mask every log record of this process from now on, tracebacks included."""
    plain_factory = logging.getLogRecordFactory()
    if getattr(plain_factory, "masks_secrets", False):
        return

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 (passed on as they are)
        record = plain_factory(*args, **kwargs)
        _mask_record(record)
        return record

    factory.masks_secrets = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)


def _mask_record(record: logging.LogRecord) -> None:
    message = record.getMessage()
    masked = MASKER.mask(message)
    if masked != message:
        record.msg, record.args = masked, None
    if record.exc_info:
        traceback = logging.Formatter().formatException(record.exc_info)
        record.exc_text = MASKER.mask(traceback)
        if record.exc_text != traceback:
            record.exc_info = None
