from __future__ import annotations

from collections.abc import Iterator

import pytest
from simulators.epicor.testing import RunningEpicor, StartEpicor, running_epicor


@pytest.fixture
def epicor(start_epicor: StartEpicor) -> RunningEpicor:
    """A small simulator with default switches that a test may change."""
    return start_epicor(customers=60)


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningEpicor]:
    """A simulator that the tests of a module only read."""
    with running_epicor(customers=240, unknown_requests=True) as running:
        yield running
