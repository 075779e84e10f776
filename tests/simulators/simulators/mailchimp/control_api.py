"""The side door of the simulator: tests act as people, set the scene and look behind the API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, HTTPException
from starlette.responses import Response

from simulators.common.control import PREFIX
from simulators.mailchimp.consent import Standing
from simulators.mailchimp.courier import Delivery
from simulators.mailchimp.identity import subscriber_hash
from simulators.mailchimp.members import BY_ADMIN
from simulators.mailchimp.merge_fields import merge
from simulators.mailchimp.model import AbuseReport, Activity, Audience, Campaign, Member
from simulators.mailchimp.people import ACTS, Act, ImpossibleActError
from simulators.mailchimp.rendering import Json, iso, member_json
from simulators.mailchimp.simulator import Simulator

JsonBody = Annotated[dict[str, Any], Body()]

_REASONS = {
    Standing.UNSUBSCRIBED_BY_ADMIN: BY_ADMIN,
    Standing.UNSUBSCRIBED_BY_CONTACT: "No longer interested",
    Standing.COMPLAINED: "Marked as spam",
}


def control_routes(simulator: Simulator) -> APIRouter:
    """Everything below `/__control` that only this simulator has."""
    router = APIRouter(prefix=PREFIX)
    for routes in (_people_and_lists, _observations, _settings, _webhooks):
        router.include_router(routes(simulator))
    return router


def _audience(simulator: Simulator, list_id: str) -> Audience:
    found = simulator.account.audiences.get(list_id)
    if found is None:
        raise HTTPException(404, f"There is no list {list_id}.")
    return found


def _json(content: object) -> Response:
    """An answer that may be long, encoded without the framework's walk through every value."""
    return Response(msgspec.json.encode(content), media_type="application/json")


def _people_and_lists(simulator: Simulator) -> APIRouter:
    router = APIRouter()

    @router.post("/people/{action}")
    async def act(action: str, details: JsonBody) -> Json:
        if action not in ACTS:
            raise HTTPException(404, f"Nobody can {action}. Known: {', '.join(ACTS)}.")
        where = _audience(simulator, details.get("list_id", ""))
        try:
            ACTS[action](Act(simulator.account, where, details.get("email", ""), details))
        except ImpossibleActError as error:
            raise HTTPException(409, str(error)) from None
        return {"done": action}

    @router.post("/lists")
    async def add_list(details: JsonBody) -> Json:
        added = simulator.account.add_list(details["name"], double_optin=details.get("double_optin", False))
        for field in details.get("merge_fields", ()):
            more = {key: field[key] for key in ("required", "options") if key in field}
            added.add_merge_field(
                field["tag"], field.get("name", field["tag"]), field.get("type", "text"), **more
            )
        return {"list_id": added.id}

    @router.get("/lists/{list_id}/members")
    async def dump(list_id: str) -> Response:
        where = _audience(simulator, list_id)
        members = [_dumped(simulator, where, member) for member in where.members.values()]
        forgotten = [{"email_address": address, "state": "forgotten"} for address in where.forgotten.values()]
        return _json({"members": members + forgotten})

    @router.put("/lists/{list_id}/members")
    async def set_scene(list_id: str, members: Annotated[list[dict[str, Any]], Body()]) -> Json:
        where = _audience(simulator, list_id)
        for entry in members:
            _place(simulator, where, entry)
        return {"placed": len(members)}

    @router.post("/campaigns")
    async def add_campaign(details: JsonBody) -> Json:
        where = _audience(simulator, details["list_id"])
        campaign_id = simulator.next_id(10, "campaign")
        subject = details.get("subject", "News")
        members = where.members.values()
        recipients = tuple(one.contact_id for one in members if one.standing is Standing.SUBSCRIBED)
        campaign = Campaign(campaign_id, where.id, subject, simulator.account.now(), recipients)
        simulator.account.campaigns[campaign_id] = campaign
        simulator.announce_campaign(where, campaign)
        return {"campaign_id": campaign_id}

    return router


def _observations(simulator: Simulator) -> APIRouter:
    router = APIRouter()

    @router.get("/raises")
    async def raises() -> list[Json]:
        return [
            {**dataclasses.asdict(entry), "was": entry.was.name.lower()} for entry in simulator.account.raises
        ]

    @router.get("/connections")
    async def connections() -> Json:
        return dataclasses.asdict(simulator.connections)

    return router


def _settings(simulator: Simulator) -> APIRouter:
    router = APIRouter()

    @router.get("/switches")
    async def switches() -> Json:
        return dataclasses.asdict(simulator.account.switches)

    @router.put("/switches")
    async def set_switches(changes: JsonBody) -> Json:
        try:
            simulator.account.switches = simulator.account.switches.changed(changes)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return dataclasses.asdict(simulator.account.switches)

    @router.post("/clock/advance")
    async def advance(details: JsonBody) -> Json:
        simulator.clock.offset += float(details["seconds"])
        return {"now": iso(simulator.account.now())}

    @router.post("/tokens/revoke")
    async def revoke() -> Json:
        revoked = len(simulator.grants.tokens)
        simulator.grants.tokens.clear()
        return {"revoked": revoked}

    @router.post("/reset")
    async def reset() -> Json:
        simulator.reset()
        return {"reset": True}

    return router


def _webhooks(simulator: Simulator) -> APIRouter:
    router = APIRouter(prefix="/webhooks")

    @router.get("")
    async def hooks() -> list[Json]:
        return [
            {"id": hook.id, "list_id": hook.list_id, "url": hook.url, "disabled": hook.disabled}
            for where in simulator.account.audiences.values()
            for hook in where.webhooks.values()
        ]

    @router.get("/deliveries")
    async def deliveries() -> Response:
        return _json([_delivery(delivery) for delivery in simulator.courier.deliveries])

    @router.post("/flush")
    async def flush(hurry: bool = False) -> Json:  # noqa: FBT002 a query parameter
        await simulator.courier.flush(hurry=hurry)
        return {"deliveries": len(simulator.courier.deliveries)}

    return router


def _delivery(delivery: Delivery) -> Json:
    return {
        "number": delivery.number,
        "webhook_id": delivery.hook.id,
        "list_id": delivery.hook.list_id,
        "type": delivery.event_type,
        "state": delivery.state,
        "is_duplicate": delivery.is_duplicate,
        "body": delivery.body.decode(),
        "attempts": [dataclasses.asdict(attempt) for attempt in delivery.attempts],
    }


def _dumped(simulator: Simulator, audience: Audience, member: Member) -> Json:
    return member_json(simulator.account, audience, member) | {
        "state": member.standing.name.lower(),
        "confirmation_mails": member.confirmation_mails,
    }


def _place(simulator: Simulator, audience: Audience, entry: Mapping[str, Any]) -> None:
    """Put a contact into a state, without a word to any webhook."""
    account, address = simulator.account, entry["email"]
    try:
        standing = Standing[entry["state"].upper()]
    except KeyError:
        known = ", ".join(standing.name.lower() for standing in Standing)
        raise HTTPException(422, f"There is no state {entry['state']!r}. Known: {known}.") from None
    old = audience.members.get(subscriber_hash(address))
    if standing in (Standing.FORGOTTEN, Standing.ABSENT):
        if old is not None:
            audience.store(old, None)
        audience.forgotten.pop(subscriber_hash(address), None)
        if standing is Standing.FORGOTTEN:
            audience.forgotten[subscriber_hash(address)] = address
        return
    values, errors = merge(audience.merge_fields, {}, entry.get("merge_fields", {}), check_required=False)
    if errors:
        raise HTTPException(422, f"{address}: {errors[0].field}: {errors[0].message}")
    now = int(entry.get("last_changed", account.now()))
    contact_id, web_id = (old.contact_id, old.web_id) if old else account.new_contact_id()
    reason = entry.get("reason", _REASONS.get(standing, ""))
    by_admin = standing is Standing.UNSUBSCRIBED_BY_ADMIN
    placed = Member(
        email_address=address,
        contact_id=contact_id,
        web_id=web_id,
        standing=standing,
        unsubscribe_reason=reason,
        merge_values=values,
        tags=frozenset(audience.tag_id(name) for name in entry.get("tags", ())),
        timestamp_opt=now,
        last_changed=now,
        activity=(Activity("unsub", now, "", reason, by_admin),) if reason else (),
    )
    audience.store(old, placed)
    if standing is Standing.COMPLAINED:
        reports = audience.abuse_reports
        reports.append(AbuseReport(len(reports) + 1, "", address, now))
