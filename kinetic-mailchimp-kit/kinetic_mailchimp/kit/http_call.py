"""One description of how an HTTP call ended, for both vendors and for the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kinetic_mailchimp.kit.errors import ConnectorError
from kinetic_mailchimp.kit.transport import Answer


@dataclass(frozen=True, slots=True)
class HttpCall:
    """The end of one call; nothing but defaults where none was made.

    Attributes:
        status: The HTTP status; None where no answer came.
        request_id: The vendor's own id of the call. Kinetic gives one with failures alone.
        seconds: From the request to the end of the answer; None where it is not known.
        failed: Whether a refusal came, or no usable answer.
    """

    status: int | None = None
    request_id: str | None = None
    seconds: float | None = None
    failed: bool = False

    @classmethod
    def of_answer(cls, answer: Answer) -> HttpCall:
        """The call that was answered so."""
        return cls(answer.status, answer.request_id, answer.seconds)

    @classmethod
    def of_failure(cls, error: ConnectorError, seconds: float | None = None) -> HttpCall:
        """The call that ended with an error.

        Args:
            error: As the client raised it.
            seconds: Measured by the caller, with what the client repeated; by default those of the last
                answer.
        """
        return cls(error.status, error.request_id, error.seconds if seconds is None else seconds, failed=True)

    def facts(self) -> dict[str, Any]:
        """The attributes of an audited decision that tell of it."""
        return {
            "http_status": self.status,
            "request_id": self.request_id,
            "duration_ms": None if self.seconds is None else self.seconds * 1000,
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful call, with the document that came back.

    Attributes:
        call: How the call ended.
        document: The JSON object; empty where the answer has no body.
    """

    call: HttpCall
    document: Mapping[str, Any] = field(default_factory=dict)
