"""The account itself, its lists, and the batch that subscribes many members at once."""

from __future__ import annotations

from simulators.mailchimp import queries
from simulators.mailchimp.batch_subscribe import batch_subscribe
from simulators.mailchimp.identity import derived_id
from simulators.mailchimp.model import Audience
from simulators.mailchimp.rendering import Json, audience_json, links
from simulators.mailchimp.routes.call import Call, Resource

_TOTAL_CONTACTS = "include_total_contacts"


def _root(call: Call) -> Json:
    account = call.account
    return {
        "account_id": derived_id(25, account.seed, "account"),
        "login_id": str(account.seed),
        "account_name": "Example Company",
        "email": "owner@example.com",
        "first_name": "",
        "last_name": "",
        "username": "owner",
        "role": "owner",
        "account_timezone": "UTC",
        "total_subscribers": sum(len(audience.members) for audience in account.audiences.values()),
        "_links": links(account, "/"),
    }


def _ping(_: Call) -> Json:
    return {"health_status": "Everything's Chimpy!"}


def _shown(call: Call, audience: Audience) -> Json:
    total_contacts = queries.flag(call.query, _TOTAL_CONTACTS)
    return audience_json(call.account, audience, total_contacts=total_contacts)


def _lists(call: Call) -> Json:
    audiences = list(call.account.audiences.values())
    email = call.query.get("email")
    if email:
        audiences = [audience for audience in audiences if audience.find(email)]
    shown = call.page(audiences)
    return {
        "lists": [_shown(call, audience) for audience in shown],
        "total_items": len(audiences),
        "_links": links(call.account, "/lists"),
    }


def _list(call: Call) -> Json:
    return _shown(call, call.audience())


def _batch(call: Call) -> Json:
    return batch_subscribe(
        call.account,
        call.audience(),
        call.json(),
        call.actor,
        skip_merge_validation=queries.flag(call.query, "skip_merge_validation"),
        skip_duplicate_check=queries.flag(call.query, "skip_duplicate_check"),
    )


RESOURCES = (
    Resource("/", GET=_root),
    Resource("/ping", GET=_ping),
    Resource("/lists", *queries.PAGING, "email", _TOTAL_CONTACTS, GET=_lists),
    Resource(
        "/lists/{list_id}",
        "skip_merge_validation",
        "skip_duplicate_check",
        _TOTAL_CONTACTS,
        GET=_list,
        POST=_batch,
    ),
)
