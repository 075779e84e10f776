"""Remembers which webhooks were registered, and their signing secrets, which Mailchimp shows only once."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption, SecretBox
from sqlalchemy import Delete, select

from tap_mailchimp_webhooks.events.event import rfc3339
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.tables import hooks


@dataclass(frozen=True)
class SigningSecrets:
    """The signing secrets of all registered webhooks.

    Attributes:
        readable: In clear.
        unreadable: The number of those that were stored under another key and another path secret.
        unsigned: The number of webhooks whose deliveries are not signed.
    """

    readable: tuple[str, ...] = field(default=(), repr=False)
    unreadable: int = 0
    unsigned: int = 0


@dataclass(frozen=True)
class RegisteredWebhook:
    """A webhook that this software made.

    Attributes:
        registered_at: RFC 3339, UTC.
        encrypted_secret: The signing secret of its deliveries, encrypted; None where they are not signed.
    """

    webhook_id: str
    list_id: str
    registered_at: str
    encrypted_secret: str | None = field(repr=False)


def registered_webhooks(database: Database) -> list[RegisteredWebhook]:
    """Every webhook that was registered with an inbox."""
    with database.reading() as connection:
        rows = connection.execute(select(hooks).order_by(hooks.c.list_id, hooks.c.webhook_id)).all()
    return [
        RegisteredWebhook(row.webhook_id, row.list_id, row.registered_at, row.signing_secret) for row in rows
    ]


class WebhookRegistry:
    """The webhooks of one inbox, with their signing secrets.

    A signing secret is encrypted with the key of CONNECTOR_SECRET_KEY. Without that, the key is derived from
    the path secret, which the same two programs know: so it is never stored in clear.

    Args:
        path_secrets: All that are accepted; the first one encrypts where no key is configured.
    """

    def __init__(
        self, database: Database, encryption: FieldEncryption, path_secrets: tuple[str, ...]
    ) -> None:
        self._database = database
        configured = encryption.box.keys if encryption.box else ()
        self._box = SecretBox((*configured, *(_derived_key(secret) for secret in path_secrets)))

    def find(self, webhook_id: str, list_id: str) -> RegisteredWebhook | None:
        """A webhook that was registered here; None if it was not."""
        found = registered_webhooks(self._database)
        return next((one for one in found if (one.webhook_id, one.list_id) == (webhook_id, list_id)), None)

    def signing_secrets(self) -> SigningSecrets:
        """The signing secrets of all webhooks; one that cannot be read does not keep the others from use."""
        found = registered_webhooks(self._database)
        encrypted = [hook.encrypted_secret for hook in found if hook.encrypted_secret]
        readable = []
        for secret in encrypted:
            try:
                readable.append(self._box.decrypt(secret))
            except (ConfigurationError, UnicodeError):
                continue
        return SigningSecrets(tuple(readable), len(encrypted) - len(readable), len(found) - len(encrypted))

    def put(
        self, webhook_id: str, list_id: str, url: str, now: datetime, *, signing_secret: str | None
    ) -> None:
        """Remember a webhook that was created.

        Args:
            webhook_id: Mailchimp's id of it.
            list_id: The audience.
            url: The whole URL, of which a digest is kept.
            now: The time of the registration.
            signing_secret: In clear; None where deliveries are not signed.
        """
        encrypted = self._box.encrypt(signing_secret) if signing_secret else None
        with self._database.writing() as connection:
            connection.execute(_delete(webhook_id, list_id))
            connection.execute(
                hooks.insert().values(
                    webhook_id=webhook_id,
                    list_id=list_id,
                    url_digest=hashlib.sha256(url.encode()).hexdigest(),
                    signing_secret=encrypted,
                    registered_at=rfc3339(now),
                )
            )

    def keep(self, list_id: str, webhook_ids: Sequence[str]) -> None:
        """Forget the other webhooks of an audience."""
        others = hooks.c.webhook_id.not_in(webhook_ids)
        with self._database.writing() as connection:
            connection.execute(hooks.delete().where(hooks.c.list_id == list_id, others))

    def remove(self, webhook_id: str, list_id: str) -> None:
        """Forget a webhook that was deleted."""
        with self._database.writing() as connection:
            connection.execute(_delete(webhook_id, list_id))


def _delete(webhook_id: str, list_id: str) -> Delete:
    return hooks.delete().where(hooks.c.webhook_id == webhook_id, hooks.c.list_id == list_id)


def _derived_key(path_secret: str) -> str:
    digest = hashlib.sha256(b"signing secrets of webhooks\0" + path_secret.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()
