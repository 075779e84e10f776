"""While a write is verified, the next event is looked up: nothing else is done before its turn."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.kit.errors import TransientError
from target_epicor_contacts.epicor.entities import CONTACT, EMAIL, PERSON
from target_epicor_contacts.epicor.look_ahead import USABLE_SECONDS, LookAhead, LookUp
from target_epicor_contacts.epicor.row_finder import RowFinder

Update = Callable[..., dict[str, Any]]
Messages = Callable[..., str]

PAT, SAM = "pat@example.com", "sam@example.com"
ROWS = {PAT: "EPIC06/CustCnt/1//1", SAM: "EPIC06/CustCnt/2//1"}
READ_BACK = {"method": "GET", "query": "ConNum eq"}


@pytest.fixture
def people(bench: Any) -> Any:
    """Two people with a contact each."""
    for address, row in ROWS.items():
        bench.edit(row, EMailAddress=address, PerConID=0, NoContact=False)
    return bench


def wait_until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)


def asked_about(bench: Any, address: str) -> bool:
    name = address.partition("@")[0]
    return any(name in request["query"] for request in bench.epicor.control.requests())


def delay_verification(bench: Any, seconds: float) -> None:
    bench.epicor.control.faults({"match": READ_BACK, "effect": {"kind": "latency", "seconds": seconds}})


@pytest.mark.rule("R2")
@pytest.mark.rule("R3")
@pytest.mark.rule("R4")
def test_a_kill_while_the_next_event_is_looked_up_loses_nothing_and_repeats_no_write(
    people: Any, update: Update, messages: Messages
) -> None:
    records = [update(PAT, "unsubscribed"), update(SAM, "unsubscribed")]
    delay_verification(people, 600)
    process = people.start()
    process.send(messages(records[:1]))
    wait_until(lambda: people.calls("PATCH") == 1)
    process.send(messages(records[1:], first=1))
    wait_until(lambda: asked_about(people, SAM))
    assert people.decisions() == []
    assert process.end(signal.SIGKILL) == (-signal.SIGKILL, None)
    assert people.calls("PATCH") == 1
    people.epicor.control.faults()
    people.deliver(*records)
    assert set(ROWS.values()) <= people.flagged()
    assert people.calls("PATCH") == len(records)
    assert [decision["subject"] for decision in people.decisions()] == [PAT, SAM]


@pytest.mark.rule("R3")
@pytest.mark.rule("R7")
def test_events_of_one_person_are_applied_one_after_the_other(
    people: Any, update: Update, messages: Messages
) -> None:
    delay_verification(people, 0.5)
    process = people.start()
    statuses = ["unsubscribed", "subscribed", "unsubscribed", "subscribed"]
    for number, status in enumerate(statuses):
        process.send(messages([update(PAT, status, second=number)], first=number))
        wait_until(lambda sent=number + 1: people.calls("PATCH") == sent)  # type: ignore[misc]
    states = [process.next_state() for _ in statuses]
    assert states == [{"records": number, "end": True} for number in range(1, len(statuses) + 1)]
    process.end(signal.SIGTERM)
    assert [decision["action"] for decision in people.decisions()] == ["flagged", "cleared"] * 2
    assert ROWS[PAT] not in people.flagged()


@pytest.mark.rule("R2")
def test_an_answer_that_another_look_up_passed_over_is_not_used_any_more(people: Any) -> None:
    client = EpicorClient(EpicorSettings.from_config(people.config()))
    with ThreadPoolExecutor(1) as executor:
        finder = RowFinder(client, {CONTACT: (*CONTACT.key, EMAIL, PERSON, "NoContact")}, executor)
        finder.look_ahead([PAT])
        finder.find([SAM])
        people.edit(ROWS[PAT], NoContact=True)
        [row] = finder.find([PAT])
    client.close()
    assert row.values["NoContact"] is True


def test_an_answer_is_used_for_what_it_is_about_while_it_is_of_late() -> None:
    clock = count(0, USABLE_SECONDS / 2)
    answer = LookUp({PAT: frozenset({"row"})}, {})
    ahead = LookAhead([PAT], lambda _: answer, lambda: next(clock))
    assert ahead.answer_about([SAM]) is None
    assert ahead.answer_about([PAT, SAM]) is None
    assert ahead.answer_about([PAT]) is answer
    assert ahead.answer_about([PAT]) is None


def test_a_failure_is_that_of_the_look_up() -> None:
    def fail(_: Any) -> LookUp:
        raise TransientError("Kinetic is away.")

    with pytest.raises(TransientError, match="away"):
        LookAhead([PAT], fail).answer_about([PAT])
