"""Remembers which webhooks were registered, and their signing secrets, which Mailchimp tells only once."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from kinetic_mailchimp.kit.encryption import SecretBox
from kinetic_mailchimp.kit.errors import ConfigurationError
from sqlalchemy import select

from tap_mailchimp_webhooks.events import rfc3339
from tap_mailchimp_webhooks.inbox.database import Database
from tap_mailchimp_webhooks.inbox.encryption import FieldEncryption
from tap_mailchimp_webhooks.inbox.tables import hooks


@dataclass(frozen=True)
class RegisteredHook:
    """A webhook that this software made.

    Attributes:
        webhook_id: Mailchimp's id of it.
        list_id: The audience whose events it tells.
        registered_at: RFC 3339, UTC.
        sealed_secret: What its deliveries are signed with, encrypted; None where they are not.
    """

    webhook_id: str
    list_id: str
    registered_at: str
    sealed_secret: str | None = field(repr=False)


def registered_hooks(database: Database) -> list[RegisteredHook]:
    """Every webhook that was registered with an inbox."""
    with database.reading() as connection:
        rows = connection.execute(select(hooks).order_by(hooks.c.list_id, hooks.c.webhook_id)).all()
    return [
        RegisteredHook(row.webhook_id, row.list_id, row.registered_at, row.signing_secret) for row in rows
    ]


class HookRegister:
    """The webhooks of one inbox, with their signing secrets.

    A signing secret is encrypted with the key of CONNECTOR_SECRET_KEY. Without that, the key is derived from
    the path secret, which the same two programs know: so it is never stored in clear.
    """

    def __init__(
        self, database: Database, encryption: FieldEncryption, path_secrets: tuple[str, ...]
    ) -> None:
        self._database = database
        configured = encryption.box.keys if encryption.box else ()
        self._box = SecretBox((*configured, *(_derived_key(secret) for secret in path_secrets)))

    def find(self, webhook_id: str, list_id: str) -> RegisteredHook | None:
        """A webhook that was registered here."""
        return next(
            (
                hook
                for hook in registered_hooks(self._database)
                if (hook.webhook_id, hook.list_id) == (webhook_id, list_id)
            ),
            None,
        )

    def signing_secrets(self) -> list[str | None]:
        """The signing secret of each webhook, None for one whose deliveries are not signed.

        Raises:
            ConfigurationError: One was stored under other secrets.
        """
        found = registered_hooks(self._database)
        return [self._reveal(hook.sealed_secret) if hook.sealed_secret else None for hook in found]

    def put(
        self, webhook_id: str, list_id: str, url: str, now: datetime, *, signing_secret: str | None
    ) -> None:
        """Remember a hook that was created."""
        sealed = self._box.encrypt(signing_secret) if signing_secret else None
        with self._database.writing() as connection:
            connection.execute(
                hooks.delete().where(hooks.c.webhook_id == webhook_id, hooks.c.list_id == list_id)
            )
            connection.execute(
                hooks.insert().values(
                    webhook_id=webhook_id,
                    list_id=list_id,
                    url_digest=hashlib.sha256(url.encode()).hexdigest(),
                    signing_secret=sealed,
                    registered_at=rfc3339(now),
                )
            )

    def remove(self, webhook_id: str, list_id: str) -> None:
        """Forget a hook that was deleted."""
        with self._database.writing() as connection:
            connection.execute(
                hooks.delete().where(hooks.c.webhook_id == webhook_id, hooks.c.list_id == list_id)
            )

    def _reveal(self, sealed: str) -> str:
        try:
            return self._box.decrypt(sealed)
        except ConfigurationError as error:
            raise ConfigurationError(
                "A signing secret cannot be read: it was stored under another key and another path secret.",
                advice="Set the CONNECTOR_SECRET_KEY and MAILCHIMP_WEBHOOKS_SECRET of that time (several are "
                "accepted, separated by commas), or run `mailchimp-webhooks unregister` and `register`.",
            ) from error


def _derived_key(path_secret: str) -> str:
    digest = hashlib.sha256(b"signing secrets of webhooks\0" + path_secret.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()
