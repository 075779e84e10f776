"""Reads the URL of a database, and names what is wrong with it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

import sqlalchemy as sa

from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.errors import ConfigurationError

_ENCODED: Final = "with %40, %3A, %2F and %25 for @ : / and % in the password"
"""The way to write a password in a URL; else a part of it would be taken for a host or a port, and shown."""


def parse_url(url: str, profile: Profile) -> sa.URL:
    """The URL of a database that can be used, with the driver that is installed.

    Raises:
        ConfigurationError: It is not the URL of a SQLite file or of PostgreSQL, or the driver is missing.
    """
    setting = f"The setting `{profile.setting}`"
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # The cause is left out: it quotes what it takes for a port, which may be a part of the password.
        raise ConfigurationError(
            f"{setting} is not a database URL.",
            advice=f"Use {profile.example} or postgresql://user:password@host/database, {_ENCODED}.",
        ) from None
    backend = {"postgres": "postgresql"}.get(parsed.get_backend_name(), parsed.get_backend_name())
    if backend != "sqlite" and "@" in f"{parsed.host}{parsed.database}":
        # The password ends at the first @: its rest would be taken for a host, and shown as one.
        raise ConfigurationError(f"{setting} has more than one @.", advice=f"Write it {_ENCODED}.")
    if backend not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"{setting} names a database of kind {backend!r}.",
            advice="Use a SQLite file (sqlite:///…) or PostgreSQL (postgresql://…).",
        )
    if backend == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise ConfigurationError(
                f"{setting} names a SQLite database in memory, which ends with the process.",
                advice=f"Name a file: {profile.example}.",
            )
        return parsed
    if find_spec("psycopg") is None:
        raise ConfigurationError(
            f"{setting} names PostgreSQL, and its driver is not installed.",
            advice=f"Install the extra: pip install '{profile.driver}'.",
        )
    return parsed.set(drivername="postgresql+psycopg")
