"""Asynchronous batches: operations that are queued, run one by one, and answered in an archive."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulators.mailchimp import problems
from simulators.mailchimp.problems import FieldError, Problem
from simulators.mailchimp.rendering import Json, iso
from simulators.mailchimp.validation import ARRAY, OBJECT, STRING, complaints, one_of

STAGES = ("pending", "preprocessing", "started", "finalizing", "finished")
RESULTS_PATH = "/batch-results"
LINK_SECONDS = 600

_OPERATION = {
    "method": one_of("GET", "POST", "PUT", "PATCH", "DELETE"),
    "path": STRING,
    "operation_id": STRING,
    "params": OBJECT,
    "body": STRING,
}

Perform = Callable[[str, str, Mapping[str, Any], bytes], Awaitable[tuple[int, str]]]
"""Carries out a request of the API inside the simulator: method, path, query and body to status and text."""


@dataclass
class Batch:
    id: str
    operations: Sequence[Mapping[str, Any]]
    submitted_at: int
    status: str = STAGES[0]
    completed_at: int = 0
    results: list[Json] = field(default_factory=list)

    @property
    def errored(self) -> int:
        return sum(result["status_code"] >= 400 for result in self.results)

    def as_json(self, url: str, now: int) -> Json:
        """The batch as the API shows it; the link to the results is made anew each time and ages."""
        link = f"{url}{RESULTS_PATH}/{self.id}/{now + LINK_SECONDS}"
        return {
            "id": self.id,
            "status": self.status,
            "total_operations": len(self.operations),
            "finished_operations": len(self.results),
            "errored_operations": self.errored,
            "submitted_at": iso(self.submitted_at),
            "completed_at": iso(self.completed_at),
            "response_body_url": link if self.status == STAGES[-1] else "",
        }

    def archive(self) -> bytes:
        """The results as a gzipped tar of JSON files."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            content = json.dumps(self.results).encode()
            entry = tarfile.TarInfo(f"{self.id}/0.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        return packed.getvalue()


class Batches:
    """The batches of an account."""

    def __init__(self) -> None:
        self.known: dict[str, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(
        self, batch: Batch, perform: Perform, now: Callable[[], int], *, seconds: float, limit: int
    ) -> None:
        """Queue a batch.

        Args:
            batch: What to do.
            perform: Does one operation.
            now: Seconds since the epoch.
            seconds: How long the batch waits before it starts.
            limit: How many batches may be unfinished.

        Raises:
            Problem: Too many are unfinished, or an operation is not valid.
        """
        if sum(other.status != STAGES[-1] for other in self.known.values()) >= limit:
            raise Problem(429, "Too Many Requests", f"You have more than {limit} pending batches.")
        errors = [error for operation in batch.operations for error in _complaints(operation)]
        if errors:
            raise problems.not_valid(errors)
        self.known[batch.id] = batch
        task = asyncio.get_running_loop().create_task(_run(batch, perform, now, seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.known.clear()


def _complaints(operation: object) -> list[FieldError]:
    if not isinstance(operation, dict):
        return [FieldError("operations", "Schema describes object")]
    return complaints(operation, _OPERATION, required=("method", "path"))


async def _run(batch: Batch, perform: Perform, now: Callable[[], int], seconds: float) -> None:
    await asyncio.sleep(seconds)
    for stage in STAGES[1:3]:
        batch.status = stage
        await asyncio.sleep(0)
    for operation in batch.operations:
        body = operation.get("body", "").encode()
        status, text = await perform(
            operation["method"], operation["path"], operation.get("params", {}), body
        )
        result = {
            "status_code": status,
            "operation_id": operation.get("operation_id"),
            "response": text,
        }
        batch.results.append(result)
        await asyncio.sleep(0)
    batch.status = STAGES[3]
    await asyncio.sleep(0)
    batch.completed_at = now()
    batch.status = STAGES[-1]


OPERATIONS_SHAPE = {"operations": ARRAY}
