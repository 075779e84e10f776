"""The audit trail: starts runs, and reads the ledger that they change."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any, Self

import sqlalchemy as sa

from kinetic_mailchimp.audit.state.ledger import PERSONAL_FIELDS, Ledger, apply_changes
from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.audit.storage.schema import properties, runs
from kinetic_mailchimp.audit.trail import journal
from kinetic_mailchimp.audit.trail.chain import person_digest
from kinetic_mailchimp.audit.trail.direction import Direction
from kinetic_mailchimp.audit.trail.entries import EntryWriter
from kinetic_mailchimp.audit.trail.environment import correlation, record_encryption
from kinetic_mailchimp.audit.trail.environment import pipeline as surrounding_pipeline
from kinetic_mailchimp.audit.trail.run import RUNNING, Run
from kinetic_mailchimp.kit.parsing.timestamps import Clock, format_timestamp, utc_now
from kinetic_mailchimp.kit.secrets.encryption import FieldEncryption

PERSON_KEY_PROPERTY = "person_key"


class AuditTrail:
    """Every decision about every record, in one database that several processes write to.

    Open one with `AuditTrail.open`, and close it or use it in a `with` block.

    Args:
        database: Where the trail is; its schema is up to date.
        clock: Returns the present time.
    """

    def __init__(
        self,
        database: Database,
        *,
        encryption: FieldEncryption,
        keep_payloads: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        self.database = database
        self.encryption = encryption
        self.clock = clock
        self._keep_payloads = keep_payloads
        with database.reading() as connection:
            query = sa.select(properties.c.value).where(properties.c.name == PERSON_KEY_PROPERTY)
            self._person_key = bytes(connection.execute(query).scalar_one())

    @classmethod
    def open(
        cls,
        url: str,
        *,
        encryption_key: str | None = None,
        keep_payloads: bool = False,
        clock: Clock = utc_now,
    ) -> Self:
        """Open a trail, and make its folder, its database file and its tables where they do not exist yet.

        Args:
            url: `sqlite:///path/to/file` or `postgresql://user:password@host/database`.
            encryption_key: Fernet keys of dead letters and payloads, separated by commas: the first
                encrypts, each decrypts. None stores in clear.
            keep_payloads: Whether complete requests are stored.
            clock: Returns the present time.

        Raises:
            ConfigurationError: If the URL, the driver, the database or the key is not usable.
        """
        encryption = record_encryption(encryption_key)
        return cls(Database(url), encryption=encryption, keep_payloads=keep_payloads, clock=clock)

    def start_run(
        self,
        *,
        plugin: str,
        version: str,
        pipeline: str = "",
        dry_run: bool = False,
        direction: Direction | None = None,
        personal_fields: Sequence[str] = (),
    ) -> Run:
        """Begin a run; it is in the trail when this returns.

        Args:
            plugin: The plugin's name, such as `target-mailchimp`.
            version: The plugin's version.
            pipeline: The pipeline that it runs in; by default what Meltano says.
            dry_run: Whether it only says what it would do.
            direction: From which system to which it carries records; None where it carries none.
            personal_fields: Names of objects within its ledger values that make sense only as a whole: an
                erasure that takes a part of such an object takes all of it.

        Raises:
            TransientError: If the database did not take it.
        """
        now = format_timestamp(self.clock())
        header: dict[str, Any] = {
            "plugin": plugin,
            "version": version,
            "pipeline": pipeline or surrounding_pipeline(),
            "correlation": correlation(),
            "dry_run": dry_run,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "started_at": now,
            "source_system": direction and direction.source,
            "destination_system": direction and direction.destination,
        }
        changing = {"active_at": now, "status": RUNNING, "records_read": 0, "entries": 0, "pruned_entries": 0}
        with self.database.writing() as connection:
            inserted = connection.execute(
                sa.insert(runs).values(**header, **changing, head=b"").returning(runs.c.id)
            )
            header["id"] = inserted.scalar_one()
            head = journal.header_digest(header)
            connection.execute(sa.update(runs).where(runs.c.id == header["id"]).values(head=head))
            journal.append(connection, run_id=header["id"], kind=journal.STARTED, content=head, now=now)
            if personal_fields:
                registered = {PERSONAL_FIELDS: {plugin: {"fields": list(personal_fields)}}}
                apply_changes(connection, registered, run_id=header["id"], now=now)
        writer = EntryWriter(
            run_id=header["id"],
            person_key=self._person_key,
            encryption=self.encryption,
            keep_payloads=self._keep_payloads,
            keep_statements=not dry_run,
        )
        return Run(self.database, {**header, "head": head}, writer, clock=self.clock)

    def ledger(self, namespace: str) -> Ledger:
        """The last known values of a namespace."""
        return Ledger(self.database, namespace)

    def person(self, address: str) -> bytes:
        """The digest that stands for a person in this trail."""
        return person_digest(self._person_key, address)

    def close(self) -> None:
        """Give the database's connections back."""
        self.database.close()

    def __enter__(self) -> Self:
        """The trail itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the trail."""
        self.close()
