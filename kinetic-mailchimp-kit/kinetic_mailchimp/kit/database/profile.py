"""Describes what differs between two databases of this project."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A database of this project: its words for messages, its schema and its options.

    Attributes:
        name: Its name in messages, such as `audit database`.
        software: The software to install where the schema is newer than this version.
        shared_by: The programs that share it, for the same message.
        driver: The distribution and extra that brings the PostgreSQL driver.
        head: The newest revision, so that a database that is up to date opens without importing Alembic.
        version_table: The table that holds the revision.
        lock: The key of the PostgreSQL advisory lock under which migrations run.
        writers_queue: Whether PostgreSQL's writers take turns at the lock, as SQLite's always do: then
            numbers that are given out in a transaction become visible in the order of their size.
        busy_seconds: How long a writer of SQLite waits for another one.
        lock_setting: The variable that sets `busy_seconds`; empty where none does.
        create_schema: Makes in an empty database what all migrations together make: a new one needs no
            Alembic, which takes 10 MiB and stays. None where the migrations do it.
    """

    name: str
    setting: str
    example: str
    software: str
    shared_by: str
    driver: str
    migrations: Path
    head: str
    version_table: str
    lock: int
    writers_queue: bool
    busy_seconds: int
    pragmas: Mapping[str, object]
    lock_setting: str = ""
    create_schema: Callable[[Connection], None] | None = None

    def alembic_config(self) -> Config:
        """Alembic's configuration, made from what is inside the package."""
        # Alembic takes as long to import as the rest of a small run; nearly every run goes without it.
        from alembic.config import Config  # noqa: PLC0415 (said above)

        config = Config()
        config.set_main_option("script_location", str(self.migrations).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        return config
