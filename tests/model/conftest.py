"""Worlds for tests; the simulators are started once for each process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from vendors import Vendors, running
from world import World


@pytest.fixture(scope="session")
def vendors() -> Iterator[Vendors]:
    with running() as started:
        yield started


@pytest.fixture(scope="session")
def stock() -> Iterator[Vendors]:
    """Vendors of a tenant whose rows have a revision, and no time of their last change."""
    with running("stock") as started:
        yield started


@pytest.fixture
def world(vendors: Vendors, tmp_path) -> World:
    return World(vendors, tmp_path)
