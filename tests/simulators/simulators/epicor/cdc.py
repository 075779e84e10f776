"""Change data capture: subscribers, rules, and changes to pull, deletes among them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.epicor import timestamps
from simulators.epicor.calls import Answer, Call
from simulators.epicor.errors import NOT_FOUND, EpicorError, no_such_segment
from simulators.epicor.schema import Table
from simulators.epicor.store import Change


@dataclass
class _Subscriber:
    secret: str
    rules: list[Mapping[str, str]] = field(default_factory=list)
    captured: list[dict[str, Any]] = field(default_factory=list)
    read: int = 0


class CdcService:
    """`Ice.LIB.CdcSubscriberSvc`.

    Args:
        tables: By name.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self._subscribers: dict[str, _Subscriber] = {}

    def __call__(self, call: Call) -> Answer:
        """Answer a method of the service.

        Raises:
            EpicorError: 404 for a method or a subscriber that does not exist.
        """
        methods: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
            "Register": self._register,
            "RuleAdd": self._add_rule,
            "Pull": self._pull,
        }
        name = call.resource.strip("/")
        if name not in methods:
            raise no_such_segment(name)
        if call.method != "POST":
            raise call.refused()
        return Answer(document=methods[name](call.row))

    def capture(self, change: Change) -> None:
        """Keep a change for the subscribers whose rules are for it."""
        table = self._tables[change.table]
        for subscriber in self._subscribers.values():
            for rule in subscriber.rules:
                wanted = (rule["tableName"], rule["schemaName"], rule["changeType"])
                if wanted == (table.name, table.namespace, change.kind):
                    subscriber.captured.append(_captured(table, change, rule))

    def _register(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        number = len(self._subscribers) + 1
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"cdc/{number}"))
        secret = f"sim-cdc-{number}"
        self._subscribers[identity] = _Subscriber(secret)
        return {"parameters": {"subscriberID": identity, "secret": secret, "mode": given.get("mode", "PULL")}}

    def _known(self, given: Mapping[str, Any]) -> _Subscriber:
        subscriber = self._subscribers.get(str(given.get("subscriberID")))
        if subscriber is None or subscriber.secret != given.get("secret"):
            raise EpicorError(404, "Subscriber not found.", NOT_FOUND)
        return subscriber

    def _add_rule(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        subscriber = self._known(given)
        names = ("schemaName", "tableName", "changeType")
        subscriber.rules.append(
            {"ruleID": str(len(subscriber.rules) + 1), **{n: str(given.get(n)) for n in names}}
        )
        return {"parameters": {"ruleID": subscriber.rules[-1]["ruleID"]}}

    def _pull(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """From an offset on; 0 goes on from the last read."""
        subscriber = self._known(given)
        start = int(given.get("offset", 0)) or subscriber.read
        end = start + int(given.get("pageSize", 100))
        subscriber.read = min(end, len(subscriber.captured))
        return {
            "returnObj": {
                "results": subscriber.captured[start:end],
                "morePages": end < len(subscriber.captured),
                "lastOffset": subscriber.read,
            }
        }


def _captured(table: Table, change: Change, rule: Mapping[str, str]) -> dict[str, Any]:
    return {
        "company": change.row.get("Company", ""),
        "schemaName": table.namespace,
        "tableName": table.name,
        "keys": {name: change.row[name] for name in table.key},
        "ruleID": rule["ruleID"],
        "data": change.row,
        "metadata": {"changeType": change.kind},
        "occurredWhenUtc": timestamps.utc_text(change.ticks),
    }
