"""The trail's database: its options, and how it is opened and cleaned."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from kinetic_mailchimp.audit.storage.views import create_schema
from kinetic_mailchimp.kit.database import database as kit_database
from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError, TransientError

_MOST_DIGITS: Final = 6

PROFILE: Final = Profile(
    name="audit database",
    setting="audit_database_url",
    example="sqlite:///data/sync-audit.sqlite3",
    software="sync-audit",
    shared_by="every plugin that shares the database",
    driver="kinetic-mailchimp-kit[postgres]",
    migrations=Path(__file__).parent / "migrations",
    head="0003",
    version_table="alembic_version",
    lock=7_310_582_467_119_001,
    writers_queue=False,
    busy_seconds=30,
    pragmas={
        "cache_size": -4 * 1024,  # KiB, of each connection: what it does not hold, the system does
        "wal_autocheckpoint": 8_000,  # 32 MB: with the default of 4 MB a bulk load waits for checkpoints
        "secure_delete": "ON",  # erased is overwritten, not only forgotten
    },
    lock_setting="AUDIT_LOCK_SECONDS",
    create_schema=create_schema,
)


def _profile() -> Profile:
    """The profile with the seconds of the variable, where it is set."""
    text = os.environ.get(PROFILE.lock_setting, "").strip()
    if not text:
        return PROFILE
    if not (text.isascii() and text.isdigit() and 0 < len(text) < _MOST_DIGITS):
        raise ConfigurationError(
            f"`{PROFILE.lock_setting}` is not a number of seconds.",
            advice=f"Leave it out ({PROFILE.busy_seconds}), or write a whole number.",
        )
    return replace(PROFILE, busy_seconds=int(text))


class Database(kit_database.Database):
    """The database of a trail, with its schema up to date.

    Raises:
        ConfigurationError: The URL, the driver, the folder, the account or the schema is not usable.
    """

    def __init__(self, url: str, profile: Profile | None = None) -> None:
        super().__init__(url, profile or _profile())
        try:
            self.migrate()
        except TransientError as error:
            self.close()
            if error.code is not None:  # the words say what to do
                raise
            raise ConfigurationError(
                f"The audit database {self} cannot be opened: {error.message}",
                advice="Check `audit_database_url`, and that the account may create tables there.",
            ) from error
        except ConnectorError:
            self.close()
            raise

    def clean_up(self) -> bool:
        """Remove what deleted and changed rows left behind in the database's files.

        Returns:
            Whether nothing is left; False while another process still reads an older state.
        """
        with self.autocommit() as connection:
            if self.is_sqlite:
                busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
                return not busy
            connection.exec_driver_sql("VACUUM decisions, dead_letters, ledger_entries")
            return True
