"""Runs the tap in the test's process, with a clock that does not wait and an output that can be cut off."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import pytest
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from simulators.epicor.testing import RunningEpicor
from tap_epicor_kinetic.records.message_writer import BlockWriter
from tap_epicor_kinetic.tap import TapEpicorKinetic

Message = dict[str, Any]
Listener = Callable[[Message], None]


class CutOffError(BaseException):
    """The process ends here, as by SIGKILL: nothing that is caught, nothing that is written after it."""


class Output(io.BytesIO):
    """What came out, up to the STATE message after which the process is cut off."""

    def __init__(self, states: int | None = None, on_message: Listener | None = None) -> None:
        super().__init__()
        self._states = states
        self._on_message = on_message

    def write(self, block: Any) -> int:
        written = super().write(block)
        if self._on_message is not None:
            for line in bytes(block).splitlines():
                self._on_message(json.loads(line))
        if self._states is not None and b'{"type":"STATE"' in bytes(block):
            self._states -= 1
            if self._states < 0:
                raise CutOffError
        return written


@dataclass
class Result:
    """The messages of a run."""

    messages: list[Message]
    pauses: list[float] = field(default_factory=list)

    def records(self, stream: str = "customers") -> list[dict[str, Any]]:
        return [m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    @property
    def state(self) -> dict[str, Any]:
        return self.states[-1] if self.states else {}

    def schema(self, stream: str) -> dict[str, Any]:
        return next(m for m in self.messages if m["type"] == "SCHEMA" and m["stream"] == stream)

    def bookmark(self, stream: str = "customers", company: str = "EPIC06") -> dict[str, Any]:
        partitions = self.state["bookmarks"][stream]["partitions"]
        return next(entry for entry in partitions if entry["context"] == {"Company": company})


def settings_of(epicor: RunningEpicor, **changes: Any) -> dict[str, Any]:
    """A configuration for a simulated Kinetic: one company, unless the test says otherwise."""
    known = {name: epicor.hello[name] for name in ("base_url", "api_key", "username", "password")}
    return {**known, "companies": epicor.companies[:1], **changes}


def selection(tap: TapEpicorKinetic, *streams: str, columns: tuple[str, ...] = ()) -> dict[str, Any]:
    """The catalog with these streams selected, and of their columns only these, where any are named.

    All columns of nested rows come with them; `OrderDtls.ProdCode` is one alone.
    """
    wanted = {*columns, *(name.partition(".")[0] for name in columns)}
    narrowed = {name.partition(".")[0] for name in columns if "." in name}
    catalog = tap.catalog_dict
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            if not item["breadcrumb"]:
                item["metadata"]["selected"] = entry["tap_stream_id"] in streams
            elif columns:
                name, *nested = item["breadcrumb"][1::2]
                item["metadata"]["selected"] = (
                    ".".join([name, *nested]) in wanted if nested and name in narrowed else name in wanted
                )
    return catalog


@dataclass
class TapRunner:
    """Runs the tap against a simulated Kinetic."""

    epicor: RunningEpicor

    def tap(self, pauses: list[float] | None = None, **arguments: Any) -> TapEpicorKinetic:
        waited: list[float] = [] if pauses is None else pauses

        class PatientTap(TapEpicorKinetic):
            @cached_property
            def client(self) -> EpicorClient:
                return EpicorClient(EpicorSettings.from_config(self.config), sleep=waited.append)

        return PatientTap(**arguments)

    def catalog(self, **settings: Any) -> dict[str, Any]:
        """The discovered streams by name."""
        tap = self.tap(config=settings_of(self.epicor, **settings))
        return {entry["tap_stream_id"]: entry for entry in tap.catalog_dict["streams"]}

    def selected(self, *streams: str) -> dict[str, Any]:
        """A catalog with these streams selected."""
        return selection(self.tap(config=settings_of(self.epicor)), *streams)

    def run(
        self,
        *streams: str,
        state: Mapping[str, Any] | None = None,
        columns: tuple[str, ...] = (),
        states: int | None = None,
        edit_catalog: Callable[[dict[str, Any]], None] = lambda _: None,
        on_message: Listener | None = None,
        catalog: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Result:
        """Run to the end, or until one STATE message more than `states` is written."""
        config = settings_of(self.epicor, **settings)
        if streams:
            catalog = selection(self.tap(config=config), *streams, columns=columns)
            edit_catalog(catalog)
        output, pauses = Output(states, on_message), list[float]()
        tap = self.tap(
            pauses,
            config=config,
            catalog=catalog,
            state=json.loads(json.dumps(state or {})),
            message_writer=BlockWriter(output),
        )
        try:
            tap.sync_all()
        except CutOffError:
            pass
        finally:
            tap.client.close()
        lines = output.getvalue().decode().splitlines()
        return Result([json.loads(line) for line in lines], pauses)


@pytest.fixture
def runner() -> Callable[[RunningEpicor], TapRunner]:
    """Makes a runner for a simulated Kinetic."""
    return TapRunner


@pytest.fixture
def queries() -> Callable[[RunningEpicor, str], list[dict[str, str]]]:
    """Tells the queries of all reads of a path so far."""

    def found(epicor: RunningEpicor, path: str) -> list[dict[str, str]]:
        requests = [request for request in epicor.control.requests() if request["path"].endswith(path)]
        return [dict(parse_qsl(request["query"])) for request in requests]

    return found
