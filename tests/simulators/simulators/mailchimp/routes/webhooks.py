"""The webhooks of a list."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from simulators.mailchimp import problems
from simulators.mailchimp.model import Audience, Webhook
from simulators.mailchimp.problems import FieldError
from simulators.mailchimp.rendering import Json, links, webhook_json
from simulators.mailchimp.routes.call import Call, Resource
from simulators.mailchimp.validation import BOOLEAN, STRING, Shape, object_of

EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
_BETA_EVENTS = ("sms_subscribe", "sms_unsubscribe", "upsms", "sms_campaign")
SOURCES = ("user", "admin", "api")
_OK = 200

_SHAPE: Shape = {
    "url": STRING,
    "events": object_of(dict.fromkeys((*EVENTS, *_BETA_EVENTS), BOOLEAN)),
    "sources": object_of(dict.fromkeys(SOURCES, BOOLEAN)),
}


def _all(call: Call) -> Json:
    audience = call.audience()
    return {
        "webhooks": [webhook_json(call.account, hook) for hook in audience.webhooks.values()],
        "list_id": audience.id,
        "total_items": len(audience.webhooks),
        "_links": links(call.account, f"/lists/{audience.id}/webhooks"),
    }


def _choices(names: tuple[str, ...], given: Mapping[str, bool] | None, *, omitted: bool) -> dict[str, bool]:
    if given is None:
        return dict.fromkeys(names, omitted)
    return dict.fromkeys(names, False) | dict(given)


async def _create(call: Call) -> Json:
    audience, body = call.audience(), call.body(_SHAPE, "url")
    await _check_url(call, audience, body["url"])
    switches = call.account.switches
    omitted = switches.omitted_events_and_sources
    hook = Webhook(
        id=call.simulator.next_id(10, "webhook"),
        list_id=audience.id,
        url=body["url"],
        events=_choices(EVENTS, body.get("events"), omitted=omitted),
        sources=_choices(SOURCES, body.get("sources"), omitted=omitted),
        signing_enabled=switches.sign_new_webhooks,
        signing_secret=call.simulator.next_id(32, "signing_secret") if switches.sign_new_webhooks else "",
    )
    audience.webhooks[hook.id] = hook
    return webhook_json(call.account, hook, show_secret=switches.sign_new_webhooks)


async def _check_url(call: Call, audience: Audience, url: str, hook: Webhook | None = None) -> None:
    """The vendor takes one webhook per URL, whatever its query, and only one that answers."""

    def bare(address: str) -> str:
        return urlsplit(address)._replace(query="", fragment="").geturl()

    if any(bare(other.url) == bare(url) for other in audience.webhooks.values() if other is not hook):
        message = "Sorry, you can't set up multiple WebHooks for one URL"
        raise problems.not_valid([FieldError("url", message)])
    if urlsplit(url).scheme not in {"http", "https"}:
        raise problems.not_valid([FieldError("url", "This value is not a valid URL.")])
    status, _ = await call.simulator.courier.validate(url)
    if status != _OK:
        message = (
            f"We couldn't verify the URL is working. Please double check and try again. HTTP Code: {status}"
        )
        raise problems.not_valid([FieldError("url", message)])


def _hook(call: Call) -> Webhook:
    hook = call.audience().webhooks.get(call.name("webhook_id"))
    if hook is None:
        raise problems.not_found()
    return hook


def _get(call: Call) -> Json:
    return webhook_json(call.account, _hook(call))


async def _update(call: Call) -> Json:
    hook, body = _hook(call), call.body(_SHAPE)
    url = body.get("url", hook.url)
    await _check_url(call, call.audience(), url, hook)
    hook.url = url
    hook.events = {**hook.events, **body.get("events", {})}
    hook.sources = {**hook.sources, **body.get("sources", {})}
    # It has just shown that it answers.
    hook.disabled = ""
    return webhook_json(call.account, hook)


def _delete(call: Call) -> None:
    del call.audience().webhooks[_hook(call).id]


RESOURCES = (
    Resource("/lists/{list_id}/webhooks", GET=_all, POST=_create),
    Resource("/lists/{list_id}/webhooks/{webhook_id}", GET=_get, PATCH=_update, DELETE=_delete),
)
