"""The fixture `start_epicor`: a simulated Kinetic in a thread of the test's process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import pytest
import requests

from simulators.common.control_client import ControlClient, unknown_report
from simulators.common.fault_middleware import Wait
from simulators.common.serve import serve_in_thread
from simulators.epicor.app import builder, system_clock
from simulators.epicor.switches import Switches
from simulators.epicor.timestamps import Clock

Row = dict[str, Any]


class EpicorControl(ControlClient):
    """Acts on a simulated Kinetic as its users and administrators do."""

    def rows(self, table: str) -> list[Row]:
        """All rows of a table (`Customer`, `CustCnt`, …), over all companies."""
        found: list[Row] = self.call("GET", f"/tables/{table}")
        return found

    def edit(self, table: str, key: Mapping[str, Any], *, hold: bool = False, **changes: Any) -> Row:
        """Change a row as a user of Epicor does.

        Args:
            table: Name of the table.
            key: The whole key, `Company` included.
            hold: Give the row its revision now and commit it at the next `commit()`.
            changes: The columns to set.
        """
        body = {"key": dict(key), "changes": changes, "hold": hold}
        changed: Row = self.call("POST", f"/tables/{table}/edit", body)
        return changed

    def insert(self, table: str, **values: Any) -> Row:
        """Add a row as a user of Epicor does; numbers are assigned."""
        created: Row = self.call("POST", f"/tables/{table}/insert", values)
        return created

    def delete(self, table: str, key: Mapping[str, Any]) -> None:
        self.call("POST", f"/tables/{table}/delete", {"key": dict(key)})

    def commit(self) -> int:
        """Commit what is held; gives the number of writes."""
        return int(self.call("POST", "/commit")["committed"])

    def switches(self, **changes: Any) -> dict[str, Any]:
        """Turn switches (see `epicor/switches.py`) and give all of them."""
        turned: dict[str, Any] = self.call("PUT", "/switches", changes)
        return turned

    def truth(self) -> dict[str, Any]:
        """What a careful reader finds: `customers`, `addresses`, `counts`."""
        found: dict[str, Any] = self.call("GET", "/truth")
        return found

    def expire_tokens(self) -> None:
        self.call("POST", "/tokens/expire")

    def advance_clock(self, seconds: float) -> None:
        self.call("POST", "/clock/advance", {"seconds": seconds})

    def state(self) -> dict[str, Any]:
        """`revision`, `held`, `rows` per table, `profile`, `seed`."""
        found: dict[str, Any] = self.call("GET", "/state")
        return found


@dataclass(frozen=True)
class RunningEpicor:
    """A simulated Kinetic that answers."""

    hello: Mapping[str, Any]
    control: EpicorControl

    @property
    def base_url(self) -> str:
        return str(self.hello["base_url"])

    @property
    def api_key(self) -> str:
        return str(self.hello["api_key"])

    @property
    def companies(self) -> list[str]:
        return list(self.hello["companies"])

    @property
    def username(self) -> str:
        return str(self.hello["username"])

    @property
    def password(self) -> str:
        return str(self.hello["password"])

    def request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        company: str | None = None,
        **given: Any,
    ) -> requests.Response:
        """Call a service with key and Basic credentials, as JSON.

        Args:
            method: Of HTTP.
            path: Below the company: `Erp.BO.CustomerSvc/Customers`.
            params: The query.
            company: The first one unless given.
            given: What else `requests.request` takes; `headers` are added, a None takes one away.
        """
        headers = {"x-api-key": self.api_key, "Accept": "application/json", **given.pop("headers", {})}
        return requests.request(
            method,
            f"{self.base_url}/api/v2/odata/{company or self.companies[0]}/{path}",
            params=params,
            headers={name: value for name, value in headers.items() if value is not None},
            auth=given.pop("auth", (self.username, self.password)),
            timeout=60,
            **given,
        )

    def rows(self, path: str, **options: Any) -> list[Row]:
        """The rows of a page; `top=5` is `$top=5`.

        Raises:
            AssertionError: The answer is not 200.
        """
        response = self.request("GET", path, {f"${name}": value for name, value in options.items()})
        if response.status_code != HTTPStatus.OK:
            raise AssertionError(f"{response.status_code} {response.text}")
        found: list[Row] = response.json()["value"]
        return found


StartEpicor = Callable[..., RunningEpicor]


@contextlib.contextmanager
def running_epicor(
    customers: int = 60,
    seed: int = 1,
    profile: str = "updated-on",
    *,
    clock: Clock = system_clock,
    wait: Wait = asyncio.sleep,
    orders: int = 0,
    unknown_requests: bool = False,
    **switches: Any,
) -> Iterator[RunningEpicor]:
    """Run a simulated Kinetic for the length of a `with` block.

    Args:
        customers: How many.
        seed: Of data, credentials and faults.
        profile: `updated-on` or `stock`.
        clock: Of the server, in ticks.
        wait: How the server spends the seconds of faults and switches.
        orders: The most that a customer has.
        unknown_requests: Whether requests that the simulator does not know are meant.
        switches: Turned from the start.

    Raises:
        AssertionError: At the end, when requests came that the simulator does not know.
    """
    with serve_in_thread(
        builder(customers, seed, profile, Switches().turned(**switches), clock, wait, orders)
    ) as running:
        control = EpicorControl(running.hello["control_url"])
        try:
            yield RunningEpicor(running.hello, control)
            unknown = [] if unknown_requests else control.unknown()
        finally:
            control.close()
    if unknown:
        raise AssertionError(unknown_report(unknown))


@pytest.fixture
def start_epicor() -> Iterator[StartEpicor]:
    """A factory of simulated Kinetics that end with the test; it takes what `running_epicor` takes.

    The test fails at its end when a simulator saw a request that it does not know.
    """
    with contextlib.ExitStack() as stack:
        yield lambda **given: stack.enter_context(running_epicor(**given))
