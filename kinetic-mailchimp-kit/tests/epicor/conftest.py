"""Clients of a simulated Kinetic that do not wait, and answers as a server might give them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.kit.http.call import Answer
from requests.structures import CaseInsensitiveDict
from simulators.epicor.testing import RunningEpicor


def answer_of(status: int, body: Any = "", content_type: str = "", **headers: str) -> Answer:
    """An answer: a mapping becomes JSON, text stays text."""
    text = body if isinstance(body, str) else json.dumps(body)
    kind = content_type or ("text/plain" if isinstance(body, str) else "application/json")
    return Answer(status, CaseInsensitiveDict({"Content-Type": kind, **headers}), text.encode())


@pytest.fixture
def make_answer() -> Callable[..., Answer]:
    return answer_of


@pytest.fixture
def connect() -> Iterator[Callable[..., EpicorClient]]:
    """Makes clients of a simulated Kinetic; `changes` are settings, `pauses` takes the seconds not waited."""
    clients: list[EpicorClient] = []

    def make(
        epicor: RunningEpicor, pauses: list[float] | None = None, clock: Any = None, **changes: Any
    ) -> EpicorClient:
        config: Mapping[str, Any] = {
            **{name: epicor.hello[name] for name in ("base_url", "api_key", "companies")},
            **{name: epicor.hello[name] for name in ("username", "password", "client_id", "client_secret")},
            **changes,
        }
        waited: list[float] = [] if pauses is None else pauses
        timing = {"clock": clock} if clock else {}
        client = EpicorClient(EpicorSettings.from_config(config), sleep=waited.append, **timing)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
