"""Every error of the connectors, grouped by how one recovers from it.

- ConnectorError
    - ConfigurationError: stop; a person must change a setting
        - CredentialsError: stop; the key, the login or the token is wrong, expired or revoked
    - PermissionDeniedError: stop; a person must widen a scope, a role or a licence
    - TransientError: try again, later; what was asked did not happen, or may be asked twice
        - AmbiguousWriteError: look first, then try again; the write may have happened
    - DataError: go on without this record; it needs a person or a better source
        - NotFoundError: the row that was asked for does not exist
"""

from __future__ import annotations

from kinetic_mailchimp.kit.redaction.masker import MASKER
from kinetic_mailchimp.kit.redaction.plain_text import LONGEST_ID, LONGEST_MESSAGE
from kinetic_mailchimp.kit.redaction.plain_text import message as plain_message


class ConnectorError(Exception):
    """Something went wrong that this software understands.

    Args:
        message: What happened, in words, without secrets or personal data.
        advice: What a person can do about it, naming the setting, the key or the scope.
        status: The HTTP status, where there was an answer.
        code: The vendor's own name of the error (`title`, `ErrorType`), where it gave one.
        request_id: The vendor's own id of the call, for a support ticket.
        retry_after: Seconds that the vendor asked to wait, or that this kind of failure needs.
        field: The field of the record that is wrong, where one is known.

    Attributes:
        seconds: The time that the refused call took; None where no answer came.
    """

    def __init__(
        self,
        message: str,
        *,
        advice: str = "",
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        field: str | None = None,
    ) -> None:
        self.message = _make_readable(message)
        super().__init__(self.message)
        self.advice = _make_readable(advice)
        self.status = status
        self.code = code
        self.request_id = request_id and plain_message(request_id, LONGEST_ID)
        self.retry_after = retry_after
        self.field = field
        self.seconds: float | None = None

    def of_one_record(self, advice: str) -> DataError:
        """The same failure as one of a record alone, for which others must not wait."""
        return DataError(
            self.message, advice=advice, status=self.status, code=self.code, request_id=self.request_id
        )

    def __str__(self) -> str:
        """The message, where it came from, and what to do."""
        origin = [f"HTTP {self.status}"] if self.status else []
        origin += [f"request {self.request_id}"] if self.request_id else []
        parts = [self.message, f"({', '.join(origin)})" if origin else "", self.advice]
        return " ".join(part for part in parts if part)


def _make_readable(text: str) -> str:
    """A text with a vendor's words and values of records, for logs, terminals and the trail."""
    if len(text) > LONGEST_MESSAGE:
        text = MASKER.mask(text)  # a secret that is cut could no longer be told as one
    return plain_message(text)


class ConfigurationError(ConnectorError):
    """A setting is missing or wrong. Trying again cannot help."""


class CredentialsError(ConfigurationError):
    """The vendor does not know the caller: wrong, expired or revoked credentials."""


class PermissionDeniedError(ConnectorError):
    """The vendor knows the caller and refuses."""


class TransientError(ConnectorError):
    """A failure that passes by itself. What was asked for may be asked for again."""


class UnreachableError(TransientError):
    """No connection was made, so that the server has done nothing."""


class AmbiguousWriteError(TransientError):
    """No usable answer to a write that must not simply be repeated: look first whether it happened."""


class DataError(ConnectorError):
    """The vendor, or a check of this software, refuses this record. The run goes on without it."""


class NotFoundError(DataError):
    """The row that was asked for does not exist."""


def text_to_keep(error: BaseException) -> str:
    """Text of an error that may be stored: one that is not ours could hold personal data."""
    if isinstance(error, ConnectorError):
        return str(error)
    return f"{type(error).__name__}: see the log of the run."
