"""Reads the same rows with the tap and with each peer: how fast, and how many are lost under edits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editing_proxy import Edits, editing_proxy
from environments import NotInstalledError, environment, program
from epicor_load import COLUMNS, COMPANY, TAP, control_of, last_state, prepare, set_latency, simulator
from measuring import Run, measured

PAGE = 1000
SMALL_PAGE = 100
"""Of the runs under edits: 100 edits while 10,000 rows are read."""
PATH = "Erp.BO.CustomerSvc/Customers"
OURS = "tap-epicor-kinetic"
BY_CHANGE = "UpdatedOn,CustNum"
_TYPES = {"CustNum": "integer", "CreditHold": "boolean", "NoContact": "boolean"}
PROPERTIES = {name: {"type": [_TYPES.get(name, "string"), "null"]} for name in COLUMNS}


@dataclass(frozen=True)
class Order:
    """What a peer shall read: a page size, an order, and from which change on."""

    hello: Mapping[str, Any]
    page: int
    orderby: str
    since: str | None = None

    @property
    def url(self) -> str:
        return f"{self.hello['base_url']}/api/v2/odata/{COMPANY}/"

    @property
    def params(self) -> dict[str, Any]:
        changed = {"$filter": f"UpdatedOn ge {self.since}"} if self.since else {}
        return {"$select": ",".join(COLUMNS), "$orderby": self.orderby, **changed}

    def arguments(self, folder: Path) -> str:
        """Everything as JSON, for a program of `programs/`."""
        known = {name: self.hello[name] for name in ("api_key", "username", "password")}
        what = {"url": self.url, "path": PATH, "page": self.page, "params": self.params}
        return json.dumps({**known, **what, "properties": PROPERTIES, "folder": str(folder)})


Reader = Callable[[Order, Path], list[str]]


def _tap_rest_api_msdk(order: Order, folder: Path) -> list[str]:
    config = folder / "msdk.json"
    stream = {
        "name": "customers",
        "path": f"/{PATH}",
        "params": order.params,
        "headers": {"x-api-key": order.hello["api_key"]},
        "primary_keys": ["CustNum"],
        "records_path": "$.value[*]",
        "schema": {"type": "object", "properties": PROPERTIES},
    }
    pagination = {
        "pagination_request_style": "simple_offset_paginator",
        "pagination_response_style": "offset",
        "pagination_page_size": order.page,
        "pagination_limit_per_page_param": "$top",
        "pagination_next_page_param": "$skip",
        "pagination_initial_offset": 0,
        "offset_records_jsonpath": "$.value",
    }
    login = {name: order.hello[name] for name in ("username", "password")}
    config.write_text(
        json.dumps(
            {
                "api_url": order.url.rstrip("/"),
                "auth_method": "basic",
                **login,
                **pagination,
                "streams": [stream],
            }
        )
    )
    return [str(environment("tap-rest-api-msdk") / "tap-rest-api-msdk"), "--config", str(config)]


def _dlt(order: Order, folder: Path) -> list[str]:
    python = environment("dlt") / "python"
    return [str(python), program("dlt_reader.py"), order.arguments(folder)]


def _airbyte(order: Order, folder: Path) -> list[str]:
    python = environment("airbyte-cdk") / "python"
    return [str(python), program("airbyte_reader.py"), order.arguments(folder)]


PEERS: Mapping[str, Reader] = {"tap-rest-api-msdk": _tap_rest_api_msdk, "dlt": _dlt, "airbyte-cdk": _airbyte}
QUIET = {"DO_NOT_TRACK": "1", "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}


def records(out: Path) -> Iterator[dict[str, Any]]:
    """The rows that a reader wrote, whatever its messages look like."""
    with out.open("rb") as lines:
        for line in lines:
            message = json.loads(line)
            if "type" not in message:
                yield message
            elif message["type"] == "RECORD":
                record = message["record"]
                yield record.get("data", record)


@dataclass(frozen=True)
class Read:
    """A reader, what it took, and its calls."""

    name: str
    run: Run
    rows: int
    calls: int


def speed(
    folder: Path, customers: int, latencies: list[float], missing: dict[str, str]
) -> dict[float, list[Read]]:
    """Read all customers with each reader, at each latency of a page.

    Args:
        folder: For files.
        customers: Of the simulator, of all companies.
        latencies: Seconds.
        missing: Takes the peers that cannot be installed, with the reason.
    """
    found: dict[float, list[Read]] = {}
    with simulator(customers) as hello:
        control = control_of(hello)
        expected = sum(row["Company"] == COMPANY for row in control.rows("Customer"))
        for latency in latencies:
            found[latency] = []

            def read(name: str, command: list[str], into: list[Read] = found[latency]) -> None:
                out = folder / f"{name.replace(' ', '_')}.jsonl"
                control.clear_requests()
                run = measured(command, out, QUIET)
                rows = sum(1 for _ in records(out))
                assert rows == expected, f"{name} gave {rows} of {expected} rows"
                into.append(Read(name, run, rows, sum(control.counts().values())))

            order = Order(hello, PAGE, "CustNum")
            for connections in (2, 4):
                arguments = prepare(folder, hello, concurrency=connections)
                set_latency(control, latency)
                read(f"{OURS}, {connections} connections", [*TAP, *arguments])
                set_latency(control, 0)
            set_latency(control, latency)
            for name, reader in PEERS.items():
                try:
                    command = reader(order, folder)
                except NotInstalledError as error:
                    missing[name] = str(error)
                else:
                    read(name, command)
            set_latency(control, 0)
        control.close()
    return found


@dataclass(frozen=True)
class Lost:
    """Rows that a reader missed for good, per 10,000: never seen, or not as they are now."""

    name: str
    never: float
    stale: float


def losses(folder: Path, customers: int, *, of_read: bool, missing: dict[str, str]) -> list[Lost]:
    """Read twice, the second time from where the first ended, with an edit after each page of the first.

    Args:
        folder: For files.
        customers: Of the simulator, of all companies.
        of_read: Whether rows are edited that were read already; else any.
        missing: Takes the peers that cannot be installed, with the reason.
    """
    found = [_lost_by_tap(folder, customers, of_read=of_read)]
    for name, reader in PEERS.items():
        if name not in missing:
            found.append(_lost_by_peer(name, reader, folder, customers, of_read=of_read))
    return found


def _lost_by_peer(name: str, reader: Reader, folder: Path, customers: int, *, of_read: bool) -> Lost:
    first, second = folder / "first.jsonl", folder / "second.jsonl"
    with simulator(customers) as hello:
        edits = _edits(hello, of_read=of_read)
        with editing_proxy(hello["base_url"], edits) as url:
            order = Order({**hello, "base_url": url}, SMALL_PAGE, BY_CHANGE)
            measured(reader(order, folder), first, QUIET)
            edits.is_on = False
            # Its bookmark is the latest change that it has seen.
            since = max(row["UpdatedOn"] for row in records(first))
            again = Order({**hello, "base_url": url}, SMALL_PAGE, BY_CHANGE, since)
            measured(reader(again, folder), second, QUIET)
        return _compared(name, hello, [first, second])


def _lost_by_tap(folder: Path, customers: int, *, of_read: bool) -> Lost:
    first, second = folder / "first.jsonl", folder / "second.jsonl"
    state = folder / "state.json"
    with simulator(customers) as hello:
        edits = _edits(hello, of_read=of_read)
        with editing_proxy(hello["base_url"], edits) as url:
            arguments = prepare(folder, {**hello, "base_url": url}, page_size=SMALL_PAGE)
            measured([*TAP, *arguments], first)
            edits.is_on = False
            state.write_text(json.dumps(last_state(first)))
            measured([*TAP, *arguments, "--state", str(state)], second)
        return _compared(OURS, hello, [first, second])


def _edits(hello: Mapping[str, Any], *, of_read: bool) -> Edits:
    control = control_of(hello)
    mine = [row["CustNum"] for row in control.rows("Customer") if row["Company"] == COMPANY]
    return Edits(control, mine, of_read=of_read)


def _compared(name: str, hello: Mapping[str, Any], files: list[Path]) -> Lost:
    seen: dict[int, set[str]] = {}
    for row in (row for file in files for row in records(file)):
        seen.setdefault(row["CustNum"], set()).add(row["Name"])
    control = control_of(hello)
    truth = {row["CustNum"]: row["Name"] for row in control.rows("Customer") if row["Company"] == COMPANY}
    control.close()
    never = sum(number not in seen for number in truth)
    stale = sum(number in seen and now not in seen[number] for number, now in truth.items())
    share = 10_000 / len(truth)
    return Lost(name, never * share, stale * share)
