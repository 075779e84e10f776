"""The inbox's database: its options, its default place, and errors about its values."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kinetic_mailchimp.kit.database import database as kit_database
from kinetic_mailchimp.kit.database.profile import Profile
from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.kit.project import project_root
from sqlalchemy.exc import DataError as RefusedValueError
from sqlalchemy.exc import IntegrityError
from typing_extensions import override

DEFAULT_FILE: Final = Path("data") / "webhook-inbox.sqlite3"
VERSION_TABLE: Final = "inbox_version"

PROFILE: Final = Profile(
    name="webhook inbox",
    setting="inbox_database_url",
    example="sqlite:///data/webhook-inbox.sqlite3",
    software="tap-mailchimp-webhooks",
    shared_by="the receiver as well as the tap",
    driver="tap-mailchimp-webhooks[postgres]",
    migrations=Path(__file__).parent / "migrations",
    head="0001",
    version_table=VERSION_TABLE,
    lock=0x6D63_696E_626F_78,
    writers_queue=True,  # a reader that has seen one sequence never finds a smaller one later
    busy_seconds=15,
    pragmas={},
)


def default_url(environment: Mapping[str, str] = os.environ) -> str:
    """A SQLite file in the Meltano project, or in the working directory: the same for receiver and tap."""
    return f"sqlite:///{project_root(environment) / DEFAULT_FILE}"


class Database(kit_database.Database):
    """The database of an inbox; a value that it refuses is an error of that event."""

    @classmethod
    def connect(cls, url: str) -> Database:
        """A database by its SQLAlchemy URL; a SQLite file and its folder are made where they are missing.

        Raises:
            ConfigurationError: The URL is not valid, or names a database that cannot be used.
        """
        return cls(url, PROFILE)

    @override
    @contextmanager
    def _in_words(self) -> Iterator[None]:
        with super()._in_words():
            try:
                yield
            except (RefusedValueError, IntegrityError) as error:
                raise DataError(
                    f"The webhook inbox refuses a value ({type(error).__name__}).",
                    advice="Please report it, with the log of the receiver.",
                ) from error
