"""Failures of a database in words: the cause, and the way out."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.errors import TransientError

FULL: Final = "disk_full"
LOCKED: Final = "locked"
GONE: Final = "file_gone"
READ_ONLY: Final = "read_only"
_KINDS: Final = {
    "SQLITE_FULL": FULL,
    "SQLITE_IOERR_SHMSIZE": FULL,
    "SQLITE_IOERR_WRITE": FULL,  # a quota, or a limit on the size of files
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_READONLY": READ_ONLY,
    "SQLITE_CANTOPEN": READ_ONLY,
    "53100": FULL,  # PostgreSQL
    "55P03": LOCKED,
    "25006": READ_ONLY,
}
"""Errors that a person can do something about, by how the names begin that the drivers give them."""

HOLDERS: Final = "another run, a backup, a database browser"
"""The kinds of programs that keep a database locked."""


def kind_of(error: sa.exc.DBAPIError | sa.exc.TimeoutError) -> str:
    """The kind of an error that a person can do something about; an empty text for any other."""
    if isinstance(error, sa.exc.TimeoutError):
        return LOCKED  # the one writer of this process is busy
    name = str(getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None))
    return next((kind for beginning, kind in _KINDS.items() if name.startswith(beginning)), "")


def failure(error: sa.exc.DBAPIError | sa.exc.TimeoutError, url: str, profile: Profile) -> TransientError:
    """The error of this software for one of the driver.

    Args:
        error: As SQLAlchemy raised it.
        url: Of the database, without secrets.
        profile: Its options, with the names of its settings.
    """
    kind = kind_of(error)
    setting = f" (`{profile.lock_setting}`)" if profile.lock_setting else ""
    message, advice = {
        FULL: (
            "cannot grow: the disk is full, or a quota or a limit of the file size is reached",
            "Make space there, then start again",
        ),
        LOCKED: (f"was locked for {profile.busy_seconds} s{setting}", f"Find what holds it: {HOLDERS}"),
        READ_ONLY: (
            "cannot be written: it, its folder or its disk is read-only for this user",
            f"Grant the right to write, or change `{profile.setting}`",
        ),
    }.get(
        kind,
        (
            f"did not answer as it should: {_first_line(error)}",
            f"Check `{profile.setting}`, that the disk is not full and that the server runs",
        ),
    )
    return TransientError(
        f"The {profile.name} {url} {message}.",
        advice=f"{advice}. Nothing of this step was written.",
        code=kind or None,
    )


def _first_line(error: sa.exc.SQLAlchemyError) -> str:
    cause: Any = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return next(iter(str(cause).splitlines()), type(cause).__name__).rstrip(".")
