"""Brings the inbox's tables to the form that this version needs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from kinetic_mailchimp.kit.errors import ConfigurationError
from sqlalchemy import Connection, inspect, text

from tap_mailchimp_webhooks.inbox.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE = "inbox_version"
HEAD = "0002"
"""The newest migration, so that an inbox that is up to date opens without reading any."""

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(database: Database) -> None:
    """Create or upgrade the tables. Several processes may do so at once: they take turns.

    Raises:
        ConfigurationError: A newer version of this software has been here.
    """
    with database.read() as connection:
        if _version(connection) == HEAD:
            return
    # Before the import, which already writes lines that only its developers need.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Alembic takes as long to import as the rest of a small run; nearly every run goes without it.
    from alembic import command  # noqa: PLC0415 (see above)
    from alembic.script import ScriptDirectory  # noqa: PLC0415 (see above)

    with database.write() as connection:
        config = alembic_config()
        found = _version(connection)
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if found is not None and found not in known:
            raise ConfigurationError(
                f"The inbox has the form {found}, which this version does not know.",
                advice="Upgrade tap-mailchimp-webhooks, the receiver as well as the tap.",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def alembic_config() -> Config:
    """Where Alembic finds the migrations."""
    from alembic.config import Config  # noqa: PLC0415 (see `migrate`)

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608 (a constant)
