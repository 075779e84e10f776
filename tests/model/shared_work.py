"""Work that each process of a company does for itself, and the runs within one process do once."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any
from unittest import mock

import sqlalchemy as sa
from kinetic_mailchimp.epicor.metadata import parse_metadata
from kinetic_mailchimp.kit.database.sqlite import sqlite_engine
from singer_sdk.mapper import CustomStreamMap

_metadata = functools.cache(parse_metadata)


@functools.cache
def _first_engine() -> sa.Engine:
    return sa.create_engine("sqlite://")


def _engine(*given: Any, **more: Any) -> sa.Engine:
    """An engine that knows the statements which another one has compiled."""
    engine, first = sqlite_engine(*given, **more), _first_engine()
    engine.dialect = engine.pool._dialect = first.dialect
    engine._compiled_cache = first._compiled_cache
    return engine


@contextlib.contextmanager
def shared_work() -> Iterator[None]:
    """Read each $metadata and compile each statement of SQL once, and make up no data.

    Faker is installed for other tests; mappers make an instance of it for every stream where it is.
    """
    with (
        mock.patch("kinetic_mailchimp.epicor.client.parse_metadata", _metadata),
        mock.patch("kinetic_mailchimp.kit.database.database.sqlite_engine", _engine),
        mock.patch.object(CustomStreamMap, "_init_faker_instance", return_value=None),
    ):
        yield
