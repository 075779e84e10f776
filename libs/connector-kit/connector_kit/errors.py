"""Every error of the connectors, grouped by how one recovers from it.

ConnectorError
├── ConfigurationError       stop; a person must change a setting
│   └── CredentialsError     stop; the key, the login or the token is wrong, expired or revoked
├── PermissionDeniedError    stop; a person must widen a scope, a role or a licence
├── TransientError           try again, later; what was asked did not happen
│   └── AmbiguousWriteError  look first, then try again; the write may have happened
└── DataError                go on without this record; it needs a person or a better source
    └── NotFoundError        the row that was asked for does not exist
"""

from __future__ import annotations


class ConnectorError(Exception):
    """Something went wrong that this software understands.

    Args:
        message: What happened, in words, without secrets or personal data.
        advice: What a person can do about it, naming the setting, the key or the scope.
        status: The HTTP status, where there was an answer.
        request_id: The vendor's own id of the call, for a support ticket.
        code: The vendor's own name of the error (`title`, `ErrorType`), where it gave one.
    """

    def __init__(
        self,
        message: str,
        *,
        advice: str = "",
        status: int | None = None,
        request_id: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.status = status
        self.request_id = request_id
        self.code = code

    def __str__(self) -> str:
        """The message, and after it what to do."""
        facts = [
            f"HTTP {self.status}" if self.status else "",
            f"id {self.request_id}" if self.request_id else "",
        ]
        known = ", ".join(fact for fact in facts if fact)
        message = f"{self.message} ({known})" if known else self.message
        return f"{message} {self.advice}".rstrip()


class ConfigurationError(ConnectorError):
    """A setting is missing or wrong. Trying again cannot help."""


class CredentialsError(ConfigurationError):
    """The other side does not know who we are: wrong, expired or revoked credentials."""


class PermissionDeniedError(ConnectorError):
    """The other side knows who we are and refuses."""


class TransientError(ConnectorError):
    """A failure that passes by itself. What was asked for did not happen, or can be asked again safely.

    Args:
        message: What happened.
        retry_after: Seconds that the other side asked to wait, or that this kind of failure needs.
        advice: What to do if it does not pass.
        status: The HTTP status, where there was an answer.
        request_id: The vendor's own id of the call.
        code: The vendor's own name of the error.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        advice: str = "",
        status: int | None = None,
        request_id: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, advice=advice, status=status, request_id=request_id, code=code)
        self.retry_after = retry_after


class AmbiguousWriteError(TransientError):
    """No usable answer to a write that must not simply be repeated: look first whether it happened."""


class DataError(ConnectorError):
    """The other side, or a check of ours, refuses this record. The run goes on without it.

    Args:
        message: What is wrong with the record.
        field: The field that is wrong, where one is known.
        advice: What to do about it.
        status: The HTTP status, where there was an answer.
        request_id: The vendor's own id of the call.
        code: The vendor's own name of the error.
    """

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        advice: str = "",
        status: int | None = None,
        request_id: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, advice=advice, status=status, request_id=request_id, code=code)
        self.field = field


class NotFoundError(DataError):
    """The row that was asked for does not exist."""
