"""A typed client of the part of the control API that both simulators have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import requests

TIMEOUT_SECONDS = 60


class ControlClient:
    """Looks at a simulator from outside and makes it go wrong.

    Args:
        url: Of the control API, ending in `/__control`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def close(self) -> None:
        self._session.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer of a control route.

        Raises:
            RuntimeError: The simulator refused; the message is its own.
        """
        response = self._session.request(method, f"{self._url}{path}", json=body, timeout=TIMEOUT_SECONDS)
        if not response.ok:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text}")
        return response.json()

    def requests(self) -> list[dict[str, Any]]:
        """Every request so far; a status of 0 means that the connection was dropped."""
        found: list[dict[str, Any]] = self.call("GET", "/requests")
        return found

    def clear_requests(self) -> None:
        self.call("DELETE", "/requests")

    def counts(self) -> dict[str, int]:
        """How many requests per `METHOD status`."""
        found: dict[str, int] = self.call("GET", "/requests/counts")
        return found

    def most_open(self) -> int:
        """The most requests that were being answered at once."""
        return int(self.call("GET", "/requests/open")["most"])

    def unknown(self) -> list[dict[str, Any]]:
        """Requests that the simulator does not know."""
        found: list[dict[str, Any]] = self.call("GET", "/requests/unknown")
        return found

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put these rules in force; none at all clears them. Form: see `common/faults.py`."""
        self.call("PUT", "/faults", list(rules))

    def faults_struck(self) -> dict[str, int]:
        """How often each rule has struck."""
        found: dict[str, int] = self.call("GET", "/faults")["struck"]
        return found


def unknown_report(unknown: Sequence[Mapping[str, Any]]) -> str:
    """What a failing test says about requests that a simulator does not know."""
    lines = [f"  {r['method']} {r['path']}?{r['query']} -> {r['status']}: {r['unknown']}" for r in unknown]
    return "\n".join(["the simulator does not know these requests:", *lines])
