"""Asynchronous batches of operations, and the download of their results."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulators.mailchimp import problems, queries
from simulators.mailchimp.batches import OPERATIONS_SHAPE, RESULTS_PATH, Batch
from simulators.mailchimp.rendering import Json, links
from simulators.mailchimp.routes.call import Call, Resource
from simulators.mailchimp.simulator import Simulator


def _json(call: Call, batch: Batch) -> Json:
    shown = batch.as_json(call.simulator.url, call.account.now())
    return shown | {"_links": links(call.account, f"/batches/{batch.id}")}


def _all(call: Call) -> Json:
    found = list(call.simulator.batches.known.values())
    return {
        "batches": [_json(call, batch) for batch in call.page(found)],
        "total_items": len(found),
        "_links": links(call.account, "/batches"),
    }


def _create(call: Call) -> Json:
    operations = call.body(OPERATIONS_SHAPE, "operations")["operations"]
    batch = Batch(call.simulator.next_id(10, "batch"), operations, call.account.now())
    switches = call.account.switches
    call.simulator.batches.submit(
        batch,
        call.simulator.perform,
        call.account.now,
        seconds=switches.batch_seconds,
        limit=switches.pending_batch_limit,
    )
    return _json(call, batch)


def _batch(call: Call) -> Batch:
    batch = call.simulator.batches.known.get(call.name("batch_id"))
    if batch is None:
        raise problems.not_found()
    return batch


def _get(call: Call) -> Json:
    return _json(call, _batch(call))


def _delete(call: Call) -> None:
    del call.simulator.batches.known[_batch(call).id]


RESOURCES = (
    Resource("/batches", *queries.PAGING, GET=_all, POST=_create),
    Resource("/batches/{batch_id}", GET=_get, DELETE=_delete),
)


def download_route(simulator: Simulator) -> Route:
    """Where the results lie: no credentials, but the address ages."""

    async def download(request: Request) -> Response:
        batch = simulator.batches.known.get(request.path_params["batch_id"])
        if batch is None or request.path_params["until"] < simulator.account.now():
            return Response(status_code=403)
        return Response(batch.archive(), media_type="application/gzip")

    return Route(f"{RESULTS_PATH}/{{batch_id}}/{{until:int}}", download, methods=["GET"])
