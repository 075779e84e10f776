"""Connects to PostgreSQL: in one encoding, and with an end to waiting for a server that is gone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.database.sqlite import HIDE_PARAMETERS
from kinetic_mailchimp.kit.errors import ConfigurationError

_OPTIONS: Final[Mapping[str, str]] = {
    "connect_timeout": "10",
    # By the system's own defaults, an answer of a machine that has died is waited for for two hours.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Options of a connection that the query of a URL may set otherwise."""


def postgres_engine(url: sa.URL) -> sa.Engine:
    """An engine for a server.

    Args:
        url: Of a database, with its driver.
    """
    given = {name: value for name, value in _OPTIONS.items() if name not in url.query}
    # Texts are read and written in UTF-8, whatever the database would rather be asked in.
    connect = {**given, "client_encoding": "utf8"}
    return sa.create_engine(url, hide_parameters=HIDE_PARAMETERS, connect_args=connect, pool_pre_ping=True)


def require_utf8(connection: sa.Connection, shown: str, profile: Profile) -> None:
    """Make sure that a database takes every letter.

    Args:
        connection: To the database.
        shown: Its URL, without secrets.
        profile: Its options, with the names of its settings.

    Raises:
        ConfigurationError: It would refuse the name of a person, and with it an event.
    """
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"The {profile.name} {shown} has the encoding {encoding}, which does not take every letter.",
            advice="Make it with `createdb --encoding=UTF8 --template=template0`, or name another one in "
            f"`{profile.setting}`.",
        )
