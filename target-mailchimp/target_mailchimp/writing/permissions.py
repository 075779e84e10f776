"""Decides which marketing permissions are set after a write: pure functions over its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinetic_mailchimp.audit import Action
from kinetic_mailchimp.mailchimp.audiences import name_key
from msgspec.structs import replace

from target_mailchimp.audience.member_values import PERMISSION
from target_mailchimp.writing.write_result import WriteResult


def permission_changes(result: WriteResult) -> tuple[WriteResult, list[dict[str, Any]]]:
    """The result without permissions that are not set, and those to set, by the ids that the answer shows.

    A permission is consent: it is given for a new member, and only taken back for everybody else.
    """
    wanted = {name: given for name, given in result.write.values.items() if name.startswith(PERMISSION)}
    if not wanted:
        return result, []
    ids = _permission_ids(result.member or {})
    key_of = {name: name_key(name.removeprefix(PERMISSION)) for name in wanted}
    left_out = {name: "the audience has no such permission" for name in wanted if key_of[name] not in ids}
    if result.action is not Action.CREATED:
        left_out |= {
            name: "consent that only the person can give"
            for name, given in wanted.items()
            if given and name not in left_out
        }
    write = result.write.without(left_out, "permission_not_set")
    changes = [
        {"marketing_permission_id": ids[key_of[name]], "enabled": given}
        for name, given in wanted.items()
        if name not in left_out
    ]
    return replace(result, write=write, detail=write.detail), changes


def _permission_ids(member: Mapping[str, Any]) -> dict[str, str]:
    """The ids of an audience's marketing permissions, by id and by text as `name_key` makes it."""
    ids: dict[str, str] = {}
    for entry in member.get("marketing_permissions") or ():
        permission_id = str(entry["marketing_permission_id"])
        ids[permission_id.lower()] = ids[name_key(str(entry.get("text")))] = permission_id
    return ids
