"""A call of a service and its answer, free of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.epicor.errors import EpicorError
from simulators.epicor.storage import BAD_INPUT, Row


@dataclass(frozen=True)
class Call:
    """A request below `/api/v2/odata/{company}`."""

    method: str
    company: str
    service: str
    resource: str
    """What follows the service: `Customers('EPIC06',12)/ShipToes`."""
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: Any = None
    context: str = ""
    """The absolute URL of the service, for `@odata.context`."""

    @property
    def parameters(self) -> Mapping[str, str]:
        return dict(self.query)

    @property
    def row(self) -> Row:
        """The body as one row.

        Raises:
            EpicorError: 400 when it is none.
        """
        if not isinstance(self.body, dict):
            raise EpicorError(400, BAD_INPUT)
        return {name: value for name, value in self.body.items() if not name.startswith("@odata.")}

    def refused(self) -> EpicorError:
        """The error for a method that the resource does not know."""
        return EpicorError(405, f"The method {self.method} is not allowed for {self.resource}.", unknown=True)


@dataclass(frozen=True)
class Answer:
    """A response before it is written."""

    status: int = 200
    document: Any = None
    text: str | None = None
    media_type: str = "application/json"
