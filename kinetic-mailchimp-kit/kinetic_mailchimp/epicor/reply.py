"""What came back from a call that may have written something."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """A success. Kinetic gives its correlation id with failures alone, so that their errors have it.

    Attributes:
        status: The HTTP status.
        seconds: From the request to the end of the answer, without attempts that the client repeated.
        document: The JSON object; empty where the answer has no body.
    """

    status: int
    seconds: float
    document: dict[str, Any] = field(default_factory=dict)
