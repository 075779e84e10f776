"""One simulator for all tests of this folder, begun anew for each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from simulators.mailchimp.plain_client import PlainClient
from simulators.mailchimp.testing import RunningMailchimp, running_mailchimp


@pytest.fixture(scope="session")
def shared_mailchimp() -> Iterator[RunningMailchimp]:
    with running_mailchimp(seed=7) as running:
        yield running


@pytest.fixture
def mailchimp(shared_mailchimp: RunningMailchimp) -> Iterator[RunningMailchimp]:
    shared_mailchimp.control.reset()
    shared_mailchimp.allows_unknown = False
    yield shared_mailchimp
    if not shared_mailchimp.allows_unknown:
        assert shared_mailchimp.control.unknown_requests() == []


@pytest.fixture
def api(mailchimp: RunningMailchimp) -> Iterator[PlainClient]:
    with contextlib.closing(PlainClient(mailchimp.hello)) as client:
        yield client
