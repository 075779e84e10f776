"""Batch subscribe: up to 500 members in one call, each with an outcome of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from simulators.mailchimp import problems
from simulators.mailchimp.account import Account, Actor
from simulators.mailchimp.consent import Standing, Way
from simulators.mailchimp.members import Write, break_on, write
from simulators.mailchimp.model import Audience
from simulators.mailchimp.problems import FieldError, Problem
from simulators.mailchimp.rendering import Json, links, member_json
from simulators.mailchimp.validation import ARRAY, BATCH_ITEM, BOOLEAN, complaints

MOST_MEMBERS = 500
_SHAPE = {"members": ARRAY, "update_existing": BOOLEAN, "sync_tags": BOOLEAN}


def batch_subscribe(
    account: Account,
    audience: Audience,
    body: Mapping[str, Any],
    actor: Actor,
    *,
    skip_merge_validation: bool,
    skip_duplicate_check: bool,
) -> Json:
    """Answer `POST /lists/{list_id}`.

    Raises:
        Problem: The body as a whole is wrong, or names an address twice. What is wrong with one member is
            named in the answer and does not touch the others.
    """
    errors = complaints(body, _SHAPE, required=("members",), strict=account.switches.strict_bodies)
    if errors:
        raise problems.not_valid(errors)
    items = body["members"]
    if len(items) > MOST_MEMBERS:
        raise problems.not_valid(
            [FieldError("members", f"This collection should contain {MOST_MEMBERS} or less.")]
        )
    items = _without_duplicates(items, skip_duplicate_check=skip_duplicate_check)
    break_on(account, map(_address, items))
    update_existing = bool(body.get("update_existing"))
    # Replacing all tags works only for contacts that may be updated.
    sync_tags = bool(body.get("sync_tags")) and update_existing
    new: list[Json] = []
    updated: list[Json] = []
    failed: list[Json] = []
    for item in items:
        try:
            request = Write(Way.BATCH, actor, _valid_item(account, item), skip_merge_validation, sync_tags)
            _refuse_existing(audience, request, update_existing=update_existing)
            written = write(account, audience, None, request)
        except Problem as problem:
            failed.append(_failure(item, problem))
        else:
            (new if written.is_new else updated).append(member_json(account, audience, written.member))
    return {
        "new_members": new,
        "updated_members": updated,
        "errors": failed,
        "total_created": len(new),
        "total_updated": len(updated),
        "error_count": len(failed),
        "_links": links(account, f"/lists/{audience.id}"),
    }


def _address(item: object) -> str:
    address = item.get("email_address") if isinstance(item, dict) else None
    return address.lower() if isinstance(address, str) else ""


def _without_duplicates(items: list[Any], *, skip_duplicate_check: bool) -> list[Any]:
    times = Counter(filter(None, map(_address, items)))
    repeated = [address for address, count in times.items() if count > 1]
    if not repeated:
        return items
    if not skip_duplicate_check:
        raise problems.invalid_resource(
            "Duplicate items found in the request.",
            [FieldError("members", f"{address} is listed more than once") for address in repeated],
        )
    # The first appearance gives the status; later ones may add to the rest.
    merged: dict[str, Any] = {}
    unnamed = []
    for item in items:
        address = _address(item)
        if not address:
            unnamed.append(item)
        elif address in merged:
            first = merged[address]
            merged[address] = {
                **item,
                **{key: first[key] for key in ("status", "status_if_new") if key in first},
            }
        else:
            merged[address] = item
    return [*merged.values(), *unnamed]


def _valid_item(account: Account, item: Any) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise problems.not_valid([FieldError("", "Schema describes object")])
    errors = complaints(item, BATCH_ITEM, required=("email_address",), strict=account.switches.strict_bodies)
    if errors:
        raise problems.not_valid(errors)
    if "status" not in item and "status_if_new" not in item:
        raise problems.not_valid(
            [FieldError("", "Data did not match any of the schemas described in anyOf.")]
        )
    return item


def _refuse_existing(audience: Audience, request: Write, *, update_existing: bool) -> None:
    address = request.body["email_address"]
    absent = (Standing.ABSENT, Standing.FORGOTTEN, Standing.ARCHIVED, Standing.ARCHIVED_LOCKED)
    if not update_existing and audience.standing_of(address) not in absent:
        raise problems.member_exists(address)


def _failure(item: Any, problem: Problem) -> Json:
    first = problem.errors[0] if problem.errors else FieldError("", "")
    return {
        "email_address": item.get("email_address", "") if isinstance(item, dict) else "",
        "error": problem.detail,
        "error_code": "ERROR_CONTACT_EXISTS" if problem.title == "Member Exists" else "ERROR_GENERIC",
        "field": first.field,
        "field_message": first.message,
    }
