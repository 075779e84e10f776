"""Keeps secrets out of everything that is logged or printed on stderr."""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast
from urllib.parse import quote, quote_plus

from kinetic_mailchimp.kit.redaction.plain_text import message as plain_message
from kinetic_mailchimp.kit.redaction.plain_text import plain as plain_text
from kinetic_mailchimp.kit.redaction.secret_names import passwords_in_url

MASK = "********"
SHORTEST_SECRET = 4
LONGEST_WORD = 12
LONGEST_RECORD = 20_000
"""Characters of one log record."""


class SecretMasker:
    """Replaces known secrets in text, in each form in which they travel."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()
        self._words: set[str] = set()
        self._any_word: re.Pattern[str] | None = None

    def add(self, given: Iterable[str]) -> None:
        """Remember secrets, and the passwords inside those that are URLs.

        Very short ones are left out: to mask them would garble every text. One that could be an ordinary word
        is masked where it stands alone, and not inside of other words.
        """
        whole = list(given)
        parts = [password for secret in whole for password in passwords_in_url(secret)]
        secrets = {secret for secret in (*whole, *parts) if len(secret) >= SHORTEST_SECRET}
        words = {secret for secret in secrets if secret.isalpha() and len(secret) <= LONGEST_WORD}
        found = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST_SECRET}
        found -= words
        with self._lock:
            if words:
                self._words |= words
                self._any_word = re.compile("|".join(rf"\b{word}\b" for word in sorted(self._words)))
            # Longest first, so that no secret that contains another one is masked in part.
            self._forms = tuple(sorted({*self._forms, *found}, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """The text without any secret that is known."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return self._any_word.sub(MASK, text) if self._any_word else text


def _forms(secret: str) -> set[str]:
    """A secret as it is, in a URL, in JSON, in Python's repr, and in base64 as HTTP sends a login."""
    return {
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        *_base64_forms(secret.encode()),
    }


def _base64_forms(secret: bytes) -> Iterator[str]:
    """Parts that stay the same in base64, whatever stands before and after the secret."""
    for shift, foreign in enumerate((0, 2, 3)):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(bytes(shift) + secret).decode()
            own = encoded.rstrip("=")
            yield own[foreign : len(own) - 1 if own != encoded else None]


MASKER = SecretMasker()
"""The one of this process: what a plugin learned is masked in the log of every library."""


def mask_logs() -> None:
    """Mask every log record of this process and everything on stderr from now on.

    Records are masked for handlers that write elsewhere than to stderr. Stderr is masked too, for what
    never becomes a record: warnings, tracebacks of threads, the extra fields of structured logs.
    """
    if not isinstance(sys.stderr, MaskedStream):
        sys.stderr = cast("TextIO", MaskedStream(sys.stderr))
    plain_factory = logging.getLogRecordFactory()
    if getattr(plain_factory, "masks_secrets", False):
        return

    def factory(*args: Any, **kwargs: Any) -> logging.LogRecord:  # noqa: ANN401 (passed on as they are)
        record = plain_factory(*args, **kwargs)
        _mask_record(record)
        return record

    factory.masks_secrets = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(factory)


class MaskedError(Exception):
    """Stands in a log record for an exception whose text held a secret."""


class MaskedStream:
    """A text stream that masks what is written to it, and is the stream behind it in all else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text without any secret that is known; tells the length of what was given."""
        self._stream.write(MASKER.mask(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each line without any secret that is known."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the stream has)
        """Attribute of the stream behind it."""
        return getattr(self._stream, name)


def _mask_record(record: logging.LogRecord) -> None:
    try:
        message = record.getMessage()
    except (TypeError, ValueError):
        # Arguments that do not fit the message: the handler complains about them, on stderr.
        return
    masked = plain_message(MASKER.mask(message), LONGEST_RECORD)
    if masked != message:
        record.msg, record.args = masked, None
    if record.exc_info:
        plain = logging.Formatter().formatException(record.exc_info)
        record.exc_text = plain_text(MASKER.mask(plain))
        if record.exc_text != plain:
            # A formatter of its own kind reads the exception itself, and what caused it.
            kind, error, frames = record.exc_info
            stand_in = MaskedError(
                f"{getattr(kind, '__name__', kind)}: {plain_text(MASKER.mask(str(error)))}"
            )
            record.exc_info = (MaskedError, stand_in, frames)
