"""Tells an OpenLineage collector of runs: when each started and ended, and which streams it read.

Each is a `RunEvent` of https://openlineage.io/spec/2-0-2/OpenLineage.json, sent to `/api/v1/lineage`.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final, Literal

from kinetic_mailchimp.audit.trail.direction import Direction
from kinetic_mailchimp.kit.errors import ConnectorError, PermissionDeniedError
from kinetic_mailchimp.kit.http.call import Answer, Request
from kinetic_mailchimp.kit.http.response_bounds import ResponseLimits
from kinetic_mailchimp.kit.http.retry import RetryPolicy
from kinetic_mailchimp.kit.http.transport import Transport
from kinetic_mailchimp.kit.http.web_url import web_url
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp, utc_now

logger = logging.getLogger(__name__)

EventType = Literal["START", "COMPLETE", "FAIL", "ABORT"]
SCHEMA_URL: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
NAMESPACE: Final = "kinetic-mailchimp"
_PATH: Final = "/api/v1/lineage"
_SECONDS: Final = 2.0
"""To connect, to answer and in all: two events of a run cost twice as much at most."""
_OF_STATUS: Final[dict[str, EventType]] = {"succeeded": "COMPLETE", "stopped": "ABORT"}


class Lineage:
    """Tells of one run. A collector that is slow or away costs it four seconds and two warnings at most.

    Args:
        url: The collector, such as `http://marquez:5000`.
        api_key: Sent as a bearer token; empty for none.
        job: The pipeline, such as `prod:tap-epicor-kinetic`.
        producer: The plugin and its version.
        direction: The systems.
    """

    def __init__(self, url: str, api_key: str, *, job: str, producer: str, direction: Direction) -> None:
        base = web_url(url, "openlineage_url").rstrip("/")
        self._url = base if base.endswith(_PATH) else f"{base}{_PATH}"
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._job = job
        self._producer = producer
        self._direction = direction
        self._run_id = str(uuid.uuid4())
        self._transport = Transport(
            _classify,
            timeout=_SECONDS,
            retry=RetryPolicy(max_attempts=1),
            limits=ResponseLimits(mib=1, seconds=_SECONDS),
            url_from="openlineage_url",
        )

    def start(self) -> None:
        """Tell that the run has started."""
        self._tell("START", ())

    def end(self, status: str, streams: Iterable[str]) -> None:
        """Tell how the run has ended.

        Args:
            status: `succeeded`, `stopped` or `failed`.
            streams: Those that it read.
        """
        self._tell(_OF_STATUS.get(status, "FAIL"), streams)
        self._transport.close()

    def _tell(self, event_type: EventType, streams: Iterable[str]) -> None:
        event = self._event(event_type, streams)
        request = Request("POST", self._url, headers=self._headers, json=event, repeatable=True)
        try:
            self._transport.send(request)
        except ConnectorError as error:
            logger.warning("OpenLineage was not told of the run's %s: %s", event_type, error)

    def _event(self, event_type: EventType, streams: Iterable[str]) -> dict[str, Any]:
        source, destination = (name.lower() for name in (self._direction.source, self._direction.destination))
        inputs = [{"namespace": source, "name": stream} for stream in streams]
        outputs = [
            {"namespace": destination, "name": "members" if destination == "mailchimp" else "contacts"}
        ]
        return {
            "eventType": event_type,
            "eventTime": format_timestamp(utc_now()),
            "run": {"runId": self._run_id},
            "job": {"namespace": NAMESPACE, "name": self._job},
            "inputs": inputs,
            "outputs": outputs,
            "producer": f"urn:{NAMESPACE}:{self._producer}",
            "schemaURL": SCHEMA_URL,
        }


def _classify(request: Request, answer: Answer) -> ConnectorError | None:
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    return PermissionDeniedError(
        f"{request}: HTTP {answer.status}.", advice="See `openlineage_url` and `openlineage_api_key`."
    )
