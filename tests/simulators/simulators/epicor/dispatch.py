"""Finds out what a call of a service means and has it answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from simulators.epicor import metadata, rpc, rules
from simulators.epicor.auth import admit, license_seat
from simulators.epicor.baq import baq_service
from simulators.epicor.calls import Answer, Call
from simulators.epicor.errors import UNAUTHORIZED, EpicorError, no_such_segment
from simulators.epicor.options import QueryOptions, parse_options
from simulators.epicor.reads import SetReader, key_of, read_children, read_row, split_segment, table_of_set
from simulators.epicor.schema import Service
from simulators.epicor.sessions import session_service
from simulators.epicor.tables import SERVICES
from simulators.epicor.world import Kinetic


async def answer(world: Kinetic, call: Call) -> Answer:
    """Answer a call.

    Raises:
        EpicorError: What Kinetic refuses.
    """
    admit(world, call.headers, call.parameters, call.company, call.service)
    async with license_seat(world, call.headers, call.company):
        special = _SPECIAL.get(call.service)
        if special is not None:
            return special(world, call)
        service = SERVICES.get(call.service)
        if service is None:
            raise no_such_segment(call.service)
        return await _of_service(world, service, call)


_SPECIAL: Mapping[str, Callable[[Kinetic, Call], Answer]] = {
    "BaqSvc": baq_service,
    "Ice.Lib.SessionModSvc": session_service,
    "Ice.LIB.CdcSubscriberSvc": lambda world, call: world.cdc(call),
}


async def _of_service(world: Kinetic, service: Service, call: Call) -> Answer:
    segments = [segment for segment in call.resource.split("/") if segment]
    if not segments:
        return Answer(document=metadata.service_document(service, call.context))
    if segments == ["$metadata"]:
        return _metadata(world, service, call)
    method = rpc.method_named(service, segments[0]) if len(segments) == 1 else None
    if method is not None:
        return method(world, service, call)
    set_name, key_text = split_segment(segments[0])
    if key_text is None:
        return await _of_set(world, service, set_name, segments[1:], call)
    return _of_row(world, service, set_name, key_text, segments[1:], call)


def _metadata(world: Kinetic, service: Service, call: Call) -> Answer:
    if world.switches.metadata_forbidden:
        raise EpicorError(403, "Access denied.", UNAUTHORIZED)
    lengths = world.switches.column_lengths if world.switches.metadata_max_length else {}
    if "json" in call.headers.get("accept", ""):
        return Answer(document=metadata.json_csdl(service, world.tables, lengths))
    return Answer(text=metadata.xml_csdl(service, world.tables, lengths), media_type="application/xml")


async def _of_set(world: Kinetic, service: Service, set_name: str, rest: list[str], call: Call) -> Answer:
    reader = SetReader(world, call.company, service, set_name)
    if rest == ["$count"] and call.method == "GET":
        return Answer(text=str(reader.count(parse_options(call.query))), media_type="text/plain")
    if rest:
        raise no_such_segment(rest[0])
    if call.method == "GET":
        options = parse_options(call.query)
        await _slow_skip(world, options)
        return Answer(document=reader.page(options, call.context))
    if call.method == "POST":
        table = table_of_set(world, service, set_name)
        created = rules.create(world, call.company, table, call.row)
        return Answer(201, {"@odata.context": f"{call.context}$metadata#{set_name}/$entity", **created})
    raise call.refused()


async def _slow_skip(world: Kinetic, options: QueryOptions) -> None:
    seconds = world.switches.skip_seconds_per_thousand * options.skip / 1_000
    if seconds > 0:
        await world.wait(seconds)


def _of_row(
    world: Kinetic, service: Service, set_name: str, key_text: str, rest: list[str], call: Call
) -> Answer:
    table = table_of_set(world, service, set_name)
    key = key_of(call.company, table, key_text)
    if call.method == "GET":
        options = parse_options(call.query)
        if rest:
            child = table.child(rest[0])
            if child is None or len(rest) > 1:
                raise no_such_segment(rest[-1])
            row = read_row(world, call.company, table, key, QueryOptions())
            children = read_children(world, row, child, options)
            return Answer(
                document={"@odata.context": f"{call.context}$metadata#{rest[0]}", "value": children}
            )
        row = read_row(world, call.company, table, key, options)
        return Answer(document={"@odata.context": f"{call.context}$metadata#{set_name}/$entity", **row})
    if rest:
        raise no_such_segment(rest[0])
    if call.method == "PATCH":
        row = rules.update(world, table, key, call.row)
        status = world.switches.patch_status
        return Answer(status, row if status == 200 else None)
    if call.method == "DELETE":
        rules.delete(world, table, key)
        return Answer(204)
    raise call.refused()
