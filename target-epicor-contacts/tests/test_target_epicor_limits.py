"""Servers that take less at once than is asked: smaller questions, and no write that is taken for lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings
from kinetic_mailchimp.epicor.errors import QueryRefusedError, UrlTooLongError
from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError, TransientError
from target_epicor_contacts.epicor.entities import CONTACT, CUSTOMER
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.row_reader import PageWidths, _require_keys

Update = Callable[..., dict[str, Any]]

PEOPLE = [f"dock{number}@example.com" for number in range(40)]
AWKWARD = ["DOCK/2", "O'HARE", "N&S", "50%", "C#1", "X+Y", "K:1", "<1>", "A*", "Q?", "back\\s", "Ü 1"]
LIMITS = pytest.mark.parametrize(
    "limits",
    [
        {"max_query": 2048},
        {"max_filter_nodes": 100},
        {"top_refused_above": 100},
        {"top_refused_above": 10},
        {"empty_is_204": True},
        {"max_top": 2},
        {"max_query": 1000, "max_filter_nodes": 40, "top_refused_above": 3},
    ],
    ids=str,
)


def docks(bench: Any) -> list[str]:
    """Those of the contacts of these tests that are flagged."""
    return [
        name
        for name, row in bench.all_rows().items()
        if row["NoContact"] and row["EMailAddress"].startswith("dock")
    ]


def add_docks(bench: Any, addresses: Iterable[str]) -> None:
    """Add a contact of one customer for each address."""
    for number, address in enumerate(addresses):
        bench.epicor.control.insert(
            "CustCnt", Company="EPIC06", CustNum=1, ShipToNum=f"D{number}", Name="Dock", EMailAddress=address
        )


@pytest.fixture
def crowd(bench: Any) -> Any:
    """Forty people, each with a contact of one customer."""
    add_docks(bench, PEOPLE)
    return bench


@pytest.mark.rule("R2")
@LIMITS
def test_every_opt_out_arrives_whatever_the_server_takes_at_once(
    crowd: Any, update: Update, limits: dict[str, Any]
) -> None:
    crowd.epicor.control.switches(**limits)
    crowd.deliver(*(update(address, "unsubscribed") for address in PEOPLE))
    assert crowd.actions() == [("flagged", "unsubscribed")] * len(PEOPLE)
    assert len(docks(crowd)) == len(PEOPLE)


@pytest.mark.rule("R2")
@pytest.mark.parametrize("cap", [1, 3, 9])
def test_a_short_page_does_not_end_the_rows_of_an_address(bench: Any, update: Update, cap: int) -> None:
    add_docks(bench, PEOPLE[:1] * 8)
    bench.epicor.control.switches(max_top=cap)
    bench.deliver(update(PEOPLE[0], "unsubscribed"))
    assert len(docks(bench)) == 8


@pytest.mark.rule("R2")
def test_rows_out_of_order_end_the_run_before_one_is_passed_over(bench: Any, update: Update) -> None:
    keys = [{"CustNum": number, "ShipToNum": "", "ConNum": 1} for number in (5, 3)]
    text = json.dumps({"value": [{**key, "EMailAddress": PEOPLE[0]} for key in keys]})
    bench.epicor.control.switches(max_top=2)
    bench.epicor.control.faults(
        {
            "match": {"path": "CustCnts", "query": PEOPLE[0].partition("@")[0]},
            "effect": {"kind": "answer", "status": 200, "text": text},
        }
    )
    states, error = bench.attempt(update(PEOPLE[0], "unsubscribed"))
    assert "out of order" in str(error)
    assert states == []


def test_rows_that_are_read_by_their_keys_need_no_further_page(crowd: Any, update: Update) -> None:
    crowd.deliver(update(PEOPLE[0], "unsubscribed"))
    calls = [call for call in crowd.epicor.control.requests() if call["method"] == "GET"]
    # Capitals, the look-up, how many rows the set gives at once; what is read back has no further page.
    assert len([call for call in calls if call["path"].endswith("EPIC06/Erp.BO.CustCntSvc/CustCnts")]) == 4


def further_pages(bench: Any) -> int:
    queries = [unquote(call["query"]) for call in bench.epicor.control.requests() if call["method"] == "GET"]
    return len([query for query in queries if " gt " in query])


@pytest.mark.parametrize("people", [1, 40])
def test_a_page_that_is_shorter_than_what_the_set_gives_is_the_last(
    crowd: Any, update: Update, people: int
) -> None:
    crowd.deliver(*(update(address, "unsubscribed") for address in PEOPLE[:people]))
    assert further_pages(crowd) == 0
    assert len(docks(crowd)) == people


@pytest.mark.rule("R2")
def test_a_set_is_asked_how_much_it_gives_in_the_size_of_a_look_up(crowd: Any, update: Update) -> None:
    crowd.deliver(update(PEOPLE[0], "unsubscribed"))
    # Look-ups of several sets run at the same time: which is answered first is chance.
    calls = [call for call in crowd.epicor.control.requests() if call["path"].endswith("/CustCnts")]
    queries = [parse_qs(call["query"]) for call in calls]
    [probe] = [query for query in queries if "$top" in query and "$filter" not in query]
    [look_up] = [query for query in queries if f"'{PEOPLE[0]}'" in str(query) and "$orderby" in query][:1]
    assert (probe["$top"], probe["$orderby"]) == (look_up["$top"], look_up["$orderby"])


@pytest.mark.rule("R2")
@pytest.mark.parametrize("count_error", [0, -2])
def test_no_count_of_the_server_ends_the_rows_of_an_address(
    crowd: Any, update: Update, count_error: int
) -> None:
    crowd.epicor.control.switches(max_top=2, count_error=count_error)
    crowd.deliver(*(update(address, "unsubscribed") for address in PEOPLE))
    assert further_pages(crowd)
    assert len(docks(crowd)) == len(PEOPLE)


@pytest.fixture
def find(bench: Any) -> Iterator[tuple[Callable[[], int], list[float]]]:
    """Counts the rows of the first address, at a time that can be set."""
    now = [0.0]
    client = EpicorClient(EpicorSettings.from_config(bench.config()))
    with ThreadPoolExecutor(1) as executor:
        selected = {CONTACT: (*CONTACT.key, "EMailAddress", "PerConID")}
        finder = RowFinder(client, selected, executor, keep_seconds=0, clock=lambda: now[0])
        yield lambda: len(finder.find([PEOPLE[0]])), now
    client.close()


@pytest.mark.rule("R2")
def test_a_server_that_gives_fewer_rows_than_before_is_noticed_in_a_long_run(
    bench: Any, find: tuple[Callable[[], int], list[float]]
) -> None:
    count, now = find
    add_docks(bench, PEOPLE[:1] * 3)
    assert count() == 3
    bench.epicor.control.switches(max_top=2)
    now[0] = 700
    assert count() == 3


def test_a_set_that_refuses_to_show_how_much_it_gives_is_read_to_an_empty_page() -> None:
    def refuse() -> list[dict[str, Any]]:
        raise QueryRefusedError("We apologize.", status=500)

    widths = PageWidths(lambda: 0.0)
    assert not widths.exceed(("EPIC06", CONTACT), 1, refuse)
    assert not widths.exceed(("EPIC06", CONTACT), 1, lambda: [{}, {}])
    assert widths.exceed(("EPIC06", CUSTOMER), 1, lambda: [{}, {}])


def test_rows_without_their_key_are_told_and_a_company_is_known_from_the_url() -> None:
    page: list[dict[str, Any]] = [{"CustNum": 1, "ShipToNum": "", "ConNum": 1}]
    _require_keys(page, CONTACT, "EPIC06")
    assert page[0]["Company"] == "EPIC06"
    for changes in ({"ConNum": None}, {"ConNum": 1, "ShipToNum": None}):
        with pytest.raises(ConfigurationError, match=next(iter(reversed(changes)))):
            _require_keys([{**page[0], **changes}], CONTACT, "EPIC06")


def test_what_the_server_takes_is_remembered_for_the_run(crowd: Any, update: Update) -> None:
    crowd.epicor.control.switches(max_filter_nodes=100)
    crowd.deliver(*(update(address, "unsubscribed") for address in PEOPLE), batch_size=10)
    refused = [request for request in crowd.epicor.control.requests() if request["status"] == 400]
    assert len(refused) <= 3


@pytest.mark.parametrize("characters", ["", "<>*%&:\\?"])
@pytest.mark.rule("R2")
def test_a_key_that_no_path_carries_is_written_all_the_same(
    bench: Any, update: Update, characters: str
) -> None:
    for number, place in enumerate(AWKWARD):
        bench.epicor.control.insert(
            "CustCnt", Company="EPIC06", CustNum=1, ShipToNum=place, Name="Dock", EMailAddress=PEOPLE[number]
        )
    bench.epicor.control.switches(refused_path_characters=characters)
    bench.deliver(*(update(PEOPLE[number], "unsubscribed") for number in range(len(AWKWARD))))
    assert len(docks(bench)) == len(AWKWARD)


def test_a_path_that_the_web_server_refuses_is_given_up_for_a_method(crowd: Any, update: Update) -> None:
    crowd.epicor.control.switches(refused_path_characters="(")
    crowd.deliver(update(PEOPLE[0], "unsubscribed"))
    assert crowd.actions() == [("flagged", "unsubscribed")]


def test_a_batch_that_is_too_large_for_the_gateway_is_halved(crowd: Any, update: Update) -> None:
    crowd.epicor.control.switches(max_body=2_000)
    crowd.deliver(*(update(address, "unsubscribed") for address in PEOPLE), write_mode="update_ext")
    assert len(docks(crowd)) == len(PEOPLE)
    assert crowd.calls("PATCH") == 0


def test_one_row_that_is_too_large_costs_no_other(crowd: Any, update: Update) -> None:
    crowd.epicor.control.switches(max_body=500)
    crowd.deliver(update(PEOPLE[0], "unsubscribed", Comment="x" * 600), update(PEOPLE[1], "unsubscribed"))
    assert [action for action, _ in crowd.actions()] == ["failed", "flagged"]
    # The columns that matter most went on their own.
    assert len(docks(crowd)) == 2


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "error", [UrlTooLongError("Too long.", status=404), TransientError("We apologize.", status=500)], ids=str
)
def test_a_write_that_cannot_be_read_back_is_no_failure(
    crowd: Any, update: Update, monkeypatch: Any, error: ConnectorError
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(RowFinder, "current", fail)
    crowd.deliver(update(PEOPLE[0], "unsubscribed"))
    assert crowd.actions() == [("flagged", "unsubscribed")]


@pytest.fixture
def spellings(bench: Any) -> Any:
    """Twenty people, every second one with capitals in the address."""
    for number in range(20):
        address = PEOPLE[number].title() if number % 2 else PEOPLE[number]
        bench.epicor.control.insert("CustCnt", Company="EPIC06", CustNum=1, Name="D", EMailAddress=address)
    return bench


@pytest.mark.rule("R2")
@pytest.mark.parametrize("address_filter", ["contains", "tolower", "equals"])
@pytest.mark.parametrize("by_case", [True, False])
def test_capitals_are_found_in_every_database(
    spellings: Any, update: Update, address_filter: str, by_case: bool
) -> None:
    spellings.epicor.control.switches(case_sensitive=by_case)
    spellings.deliver(
        *(update(address, "unsubscribed") for address in PEOPLE[:20]), address_filter=address_filter
    )
    assert spellings.actions() == [("flagged", "unsubscribed")] * 20


def test_no_set_is_asked_twice_for_capitals(spellings: Any, update: Update) -> None:
    spellings.epicor.control.switches(case_sensitive=True)
    spellings.deliver(*(update(address, "unsubscribed") for address in PEOPLE[:20]), batch_size=5)
    asked = [
        request["path"]
        for request in spellings.epicor.control.requests()
        if " ne " in unquote(request["query"])
    ]
    assert 0 < len(asked) == len(set(asked))


@pytest.mark.rule("R2")
def test_a_row_with_capitals_that_comes_later_is_found_in_a_long_run(bench: Any) -> None:
    bench.epicor.control.switches(case_sensitive=True)
    for name, row in bench.all_rows().items():
        entity = CONTACT if "/CustCnt/" in name else CUSTOMER
        key = {column: row[column] for column in entity.key}
        bench.epicor.control.edit(entity.name, key, EMailAddress=row["EMailAddress"].lower())
    now = [0.0]
    client = EpicorClient(EpicorSettings.from_config(bench.config()))
    with ThreadPoolExecutor(1) as executor:
        selected = {CONTACT: (*CONTACT.key, "EMailAddress", "PerConID")}
        finder = RowFinder(client, selected, executor, clock=lambda: now[0])
        assert finder.find([PEOPLE[0]]) == []
        bench.edit("EPIC06/CustCnt/1//1", EMailAddress=PEOPLE[0].title())
        now[0] = 700
        assert [row.id for row in finder.find([PEOPLE[0]])] == ["EPIC06/CustCnt/1//1"]
    client.close()


@pytest.mark.parametrize(("by_case", "fails"), [(True, True), (False, False)])
@pytest.mark.rule("R2")
def test_a_database_that_cannot_be_asked_for_capitals_is_no_silent_miss(
    spellings: Any, update: Update, by_case: bool, fails: bool
) -> None:
    spellings.epicor.control.switches(case_sensitive=by_case, refused_functions=["tolower"])
    _, error = spellings.attempt(update(PEOPLE[1], "unsubscribed"))
    assert ("tells capitals apart" in str(error)) == fails
    assert len(
        [name for name, row in spellings.all_rows().items() if row["NoContact"] and row["Name"] == "D"]
    ) == (0 if fails else 1)


@pytest.mark.rule("R2")
@pytest.mark.parametrize("numbers", ["quoted", "fractions"])
def test_numbers_in_another_form_name_the_same_rows_and_no_others(
    bench: Any, update: Update, numbers: str
) -> None:
    add_docks(bench, PEOPLE[:3])
    bench.epicor.control.switches(numbers=numbers)
    bench.deliver(update(PEOPLE[0], "unsubscribed"))
    assert docks(bench) == ["EPIC06/CustCnt/1/D0/1"]
    bench.deliver(update(PEOPLE[0], "unsubscribed", second=1))
    assert bench.actions() == [("flagged", "unsubscribed"), ("unchanged", "already_so")]
