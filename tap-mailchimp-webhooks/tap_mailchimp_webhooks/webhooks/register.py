"""Registers webhooks at Mailchimp, exactly once each, and removes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from kinetic_mailchimp.kit.errors import AmbiguousWriteError, ConfigurationError
from kinetic_mailchimp.kit.redaction import MASK
from kinetic_mailchimp.mailchimp import MailchimpClient

from tap_mailchimp_webhooks.events import STREAM_BY_TYPE
from tap_mailchimp_webhooks.receiver.settings import PATH, webhook_path
from tap_mailchimp_webhooks.webhooks.registry import HookRegister

EVENTS: Mapping[str, bool] = dict.fromkeys(STREAM_BY_TYPE, True)
"""All of them, written out: what Mailchimp does with those that are left out is not documented."""


def sources(*, include_api: bool) -> dict[str, bool]:
    """Whose changes are told. Those through the API are our own, which must not come back."""
    return {"user": True, "admin": True, "api": include_api}


def public_address(url: str, secret: str) -> str:
    """The address to register: the public one of the receiver, and the path that ends in the secret.

    Raises:
        ConfigurationError: It is no address.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ConfigurationError(
            "`--url` is not the address of a receiver.",
            advice="It looks like https://hooks.example.com or https://example.com/prefix, without a query.",
        )
    prefix = parts.path.partition(PATH)[0].rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, prefix + webhook_path(secret), "", ""))


def without_secret(url: str) -> str:
    """An address fit for a log: without a login and a query, and masked are our path secret, and the whole
    path of a webhook that is not ours, of which nobody here knows what in it is secret.
    """
    parts = urlsplit(url)
    before, ours, _ = parts.path.partition(f"{PATH}/")
    path = f"{before if ours else ''}{ours or '/'}{MASK}" if parts.path.strip("/") else parts.path
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))


@dataclass(frozen=True)
class Registration:
    """What became of one audience.

    Attributes:
        list_id: The audience.
        webhook_id: Mailchimp's id of the webhook.
        action: `created`, `updated`, `confirmed`, `replaced` or `deleted`.
        url: With its secret masked.
        signed: Whether Mailchimp signs its deliveries.
    """

    list_id: str
    webhook_id: str
    action: str
    url: str
    signed: bool

    @property
    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Registrar:
    """Keeps the webhooks of an account as they should be.

    Args:
        client: Of the account.
        hooks: Where signing secrets are kept.
        now: The time.
    """

    def __init__(
        self,
        client: MailchimpClient,
        hooks: HookRegister,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._hooks = hooks
        self._now = now

    def list_ids(self, wanted: Sequence[str]) -> list[str]:
        """The audiences that are meant: all of the account where none is named."""
        return list(wanted) or [str(found["id"]) for found in self._client.lists()]

    def register(self, list_id: str, url: str, *, include_api: bool = False) -> Registration:
        """Make sure that an audience has our webhook, exactly once.

        Args:
            list_id: The audience.
            url: The whole address, secret included.
            include_api: Whether changes through the API are told too.
        """
        wanted = {"events": dict(EVENTS), "sources": sources(include_api=include_api)}
        existing = self._find(list_id, url)
        if existing is None:
            return self._create(list_id, url, wanted, "created")
        webhook_id = str(existing["id"])
        known = self._hooks.find(webhook_id, list_id)
        if existing.get("signing_enabled") and not (known and known.sealed_secret):
            # Mailchimp told the secret once, and not to us: only a new webhook has one that we can learn.
            self._delete(list_id, webhook_id)
            return self._create(list_id, url, wanted, "replaced")
        if known is None:
            self._hooks.put(webhook_id, list_id, url, self._now(), signing_secret=None)
        # Also where nothing changes: Mailchimp then asks the address again whether it answers.
        action = "confirmed" if is_as_wanted(existing, wanted) else "updated"
        return _result(self._client.update_webhook(list_id, webhook_id, wanted), list_id, action)

    def unregister(self, list_id: str, url: str) -> list[Registration]:
        """Remove all webhooks of an audience that lead to this receiver, those of older secrets included."""
        base = url.partition(PATH)[0] + PATH + "/"
        ours = [hook for hook in self._client.webhooks(list_id) if str(hook["url"]).startswith(base)]
        for hook in ours:
            self._delete(list_id, str(hook["id"]))
        return [_result(hook, list_id, "deleted") for hook in ours]

    def _create(self, list_id: str, url: str, wanted: Mapping[str, Any], action: str) -> Registration:
        try:
            made = self._client.create_webhook(list_id, {"url": url, **wanted})
        except AmbiguousWriteError:
            made = self._after_ambiguous_create(list_id, url, wanted)
        secret = made.get("signing_secret") or None
        self._hooks.put(str(made["id"]), list_id, url, self._now(), signing_secret=secret)
        return _result(made, list_id, action)

    def _after_ambiguous_create(self, list_id: str, url: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer, which had the signing secret, is lost: make the webhook again if it was made."""
        existing = self._find(list_id, url)
        if existing is not None:
            self._client.delete_webhook(list_id, str(existing["id"]))
        return self._client.create_webhook(list_id, {"url": url, **wanted})

    def _delete(self, list_id: str, webhook_id: str) -> None:
        self._client.delete_webhook(list_id, webhook_id)
        self._hooks.remove(webhook_id, list_id)

    def _find(self, list_id: str, url: str) -> dict[str, Any] | None:
        return next((hook for hook in self._client.webhooks(list_id) if hook["url"] == url), None)


def is_as_wanted(hook: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a webhook tells at least what it should, of the sources that it should."""
    return all(
        bool(hook.get(part, {}).get(name, False)) == value
        for part in ("events", "sources")
        for name, value in wanted[part].items()
    )


def _result(hook: Mapping[str, Any], list_id: str, action: str) -> Registration:
    return Registration(
        list_id, str(hook["id"]), action, without_secret(str(hook["url"])), bool(hook.get("signing_enabled"))
    )
