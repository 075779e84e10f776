"""Registers webhooks at Mailchimp, exactly once each, and removes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kinetic_mailchimp.kit.errors import AmbiguousWriteError
from kinetic_mailchimp.kit.parsing.timestamps import Clock, parse_timestamp, utc_now
from kinetic_mailchimp.mailchimp import MailchimpClient

from tap_mailchimp_webhooks.events.event import STREAM_BY_TYPE
from tap_mailchimp_webhooks.webhooks.registry import WebhookRegistry
from tap_mailchimp_webhooks.webhooks.urls import PATH, mask_url

EVENTS: Mapping[str, bool] = dict.fromkeys(STREAM_BY_TYPE, True)
"""All of them, written out: what Mailchimp does with those that are left out is not documented."""


STRAGGLERS = timedelta(hours=2)
"""Mailchimp repeats a delivery for 75 minutes, also that of a webhook which is gone by then."""


def sources(*, include_api: bool) -> dict[str, bool]:
    """The sources of changes that a webhook reports. Those through the API are our own writes."""
    return {"user": True, "admin": True, "api": include_api}


@dataclass(frozen=True)
class Registration:
    """The result for one webhook of an audience.

    Attributes:
        action: `created`, `updated`, `confirmed`, `replaced` or `deleted`.
        url: With its secret masked.
    """

    list_id: str
    webhook_id: str
    action: str
    url: str
    signed: bool


class Registrar:
    """Keeps the webhooks of an account as they should be; each `url` is whole, secret included."""

    def __init__(self, client: MailchimpClient, registry: WebhookRegistry, now: Clock = utc_now) -> None:
        self._client = client
        self._registry = registry
        self._now = now

    def register(self, list_id: str, url: str, *, include_api: bool = False) -> Registration:
        """Make sure that an audience has our webhook, exactly once.

        Args:
            list_id: The audience.
            url: The whole URL, secret included.
            include_api: Report changes through the API too.
        """
        wanted = {"events": dict(EVENTS), "sources": sources(include_api=include_api)}
        existing = self._find(list_id, url)
        if existing is None:
            return self._create(list_id, url, wanted, "created")
        webhook_id = str(existing["id"])
        known = self._registry.find(webhook_id, list_id)
        if existing.get("signing_enabled") and not (known and known.encrypted_secret):
            # Mailchimp showed the secret once, and not to us: only a new webhook has one that we can learn.
            self._delete(list_id, webhook_id)
            return self._create(list_id, url, wanted, "replaced")
        if known is None:
            self._registry.put(webhook_id, list_id, url, self._now(), signing_secret=None)
        # Also where nothing changes: Mailchimp then checks again that the URL answers.
        action = "confirmed" if is_as_wanted(existing, wanted) else "updated"
        return _result(self._client.update_webhook(list_id, webhook_id, wanted), list_id, action)

    def rotate(self, list_id: str, url: str, *, include_api: bool = False) -> list[Registration]:
        """Register a URL with a new secret, and only then remove the webhooks with older ones.

        Both report while both are there: a delivery that comes twice is stored once. Signing secrets of those
        that are gone are forgotten by a later call: Mailchimp may still repeat what it signed with them.

        Args:
            list_id: The audience.
            url: The whole URL, with the new secret.
            include_api: Report changes through the API too.
        """
        made = self.register(list_id, url, include_api=include_api)
        older = [hook for hook in self._ours(list_id, url) if str(hook["id"]) != made.webhook_id]
        for hook in older:
            self._client.delete_webhook(list_id, str(hook["id"]))
        new = self._registry.find(made.webhook_id, list_id)
        if new and self._now() - parse_timestamp(new.registered_at) > STRAGGLERS:
            self._registry.keep(list_id, [str(hook["id"]) for hook in self._client.webhooks(list_id)])
        return [made, *(_result(hook, list_id, "deleted") for hook in older)]

    def unregister(self, list_id: str, url: str) -> list[Registration]:
        """Remove all webhooks of an audience that lead to this receiver, those of older secrets included."""
        ours = self._ours(list_id, url)
        for hook in ours:
            self._delete(list_id, str(hook["id"]))
        return [_result(hook, list_id, "deleted") for hook in ours]

    def has_webhook(self, list_id: str, url: str) -> bool:
        """True if a webhook of an audience leads to this receiver, with any secret."""
        return bool(self._ours(list_id, url))

    def _ours(self, list_id: str, url: str) -> list[dict[str, Any]]:
        base = url.partition(PATH)[0] + PATH + "/"
        return [hook for hook in self._client.webhooks(list_id) if str(hook["url"]).startswith(base)]

    def _create(self, list_id: str, url: str, wanted: Mapping[str, Any], action: str) -> Registration:
        try:
            made = self._client.create_webhook(list_id, {"url": url, **wanted})
        except AmbiguousWriteError:
            made = self._after_ambiguous_create(list_id, url, wanted)
        secret = made.get("signing_secret") or None
        self._registry.put(str(made["id"]), list_id, url, self._now(), signing_secret=secret)
        return _result(made, list_id, action)

    def _after_ambiguous_create(self, list_id: str, url: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Make the webhook again if it was made: the answer, which had the signing secret, is lost."""
        existing = self._find(list_id, url)
        if existing is not None:
            self._client.delete_webhook(list_id, str(existing["id"]))
        return self._client.create_webhook(list_id, {"url": url, **wanted})

    def _delete(self, list_id: str, webhook_id: str) -> None:
        self._client.delete_webhook(list_id, webhook_id)
        self._registry.remove(webhook_id, list_id)

    def _find(self, list_id: str, url: str) -> dict[str, Any] | None:
        return next((hook for hook in self._client.webhooks(list_id) if hook["url"] == url), None)


def is_as_wanted(hook: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """True if a webhook reports the events of the sources that it should."""
    return all(
        (name in switched_on(hook, part)) == value
        for part in ("events", "sources")
        for name, value in wanted[part].items()
    )


def switched_on(hook: Mapping[str, Any], part: str) -> list[str]:
    """The names that a webhook has switched on among its `events` or `sources`."""
    switches = hook.get(part)
    return [name for name, on in switches.items() if on] if isinstance(switches, Mapping) else []


def _result(hook: Mapping[str, Any], list_id: str, action: str) -> Registration:
    return Registration(
        list_id, str(hook["id"]), action, mask_url(str(hook["url"])), bool(hook.get("signing_enabled"))
    )
