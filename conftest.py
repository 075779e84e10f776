"""Settings that all tests share: no example of a property fails because the machine is busy, or by chance.

The same examples are tried in every run; `HYPOTHESIS_PROFILE=search` tries others each time. No program of a
test reads the .env of whoever works here. What all tests hold is looked through for garbage less often, which
takes an eighth of their time otherwise. Files that take long begin first: one that begins last keeps a worker
busy while the others have nothing left.
"""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import HealthCheck, settings

LONG = (
    "tests/e2e/test_pipelines.py",
    "tests/model/test_truth_tables.py",
    "tests/model/test_scenes.py",
    "tests/scale/",
    "tests/e2e/",
    "tests/faults/",
    "tests/model/",
    "tests/",
)
"""Beginnings of the names of tests, the longest files first."""

os.environ["CONNECTOR_ENV_FILE"] = os.devnull
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("patient", settings.get_profile("search"), derandomize=True)
settings.load_profile("search" if os.environ.get("HYPOTHESIS_PROFILE") == "search" else "patient")
gc.set_threshold(20_000, 50, 100)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first; the others stay in the order that they are in, which is a random one."""

    def place(item: pytest.Item) -> int:
        found = (number for number, begin in enumerate(LONG) if item.nodeid.startswith(begin))
        return next(found, len(LONG))

    items.sort(key=place)
