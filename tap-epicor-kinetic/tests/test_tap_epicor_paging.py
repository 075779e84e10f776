"""Pages: how large, in how many parts, and when there are no more."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings, Row
from kinetic_mailchimp.epicor.errors import QueryRefusedError
from kinetic_mailchimp.epicor.odata import after
from kinetic_mailchimp.kit.errors import ConfigurationError, TransientError
from tap_epicor_kinetic.reading.concurrent_pages import read_concurrently
from tap_epicor_kinetic.reading.cursor import Cursor, Overlap, next_shown
from tap_epicor_kinetic.reading.paging import Page, anchored_pages, keyset_pages, offset_pages
from tap_epicor_kinetic.reading.probes import newest
from tap_epicor_kinetic.reading.scan_plan import RangeQuery
from tap_epicor_kinetic.reading.set_reader import SetReader, split_columns

PARTS = "Erp.BO.PartSvc/Parts"
BY_KEY = RangeQuery(("PartNum",), "")


class Reader(SetReader):
    """Answers from a script instead of a server."""

    def __init__(self, answer: Callable[[str, int], list[Row]]) -> None:
        settings = EpicorSettings("https://erp.example.com/erp", ("EPIC06",), "made-up-key")
        super().__init__(EpicorClient(settings), "EPIC06", PARTS, ("PartNum",), (), {"PartNum": "Edm.Int32"})
        self._answer = answer

    def fetch(self, condition: str, order: Sequence[str], skip: int = 0) -> list[Row]:
        return self._answer(condition, skip)


def part(number: int) -> Row:
    return {"PartNum": number}


@pytest.mark.rule("R5")
def test_a_short_page_is_not_the_end() -> None:
    answers = iter([[part(1), part(2)], [part(3)], [part(4)], []])
    pages = keyset_pages(Reader(lambda *_: next(answers)), BY_KEY)
    assert [row["PartNum"] for page in pages for row in page.rows] == [1, 2, 3, 4]


@pytest.mark.rule("R5")
def test_each_page_begins_after_the_last_row() -> None:
    asked: list[str] = []

    def answer(condition: str, _: int) -> list[Row]:
        asked.append(condition)
        return [part(len(asked))] if len(asked) < 3 else []

    list(keyset_pages(Reader(answer), RangeQuery(("PartNum",), "Type eq 'M'", (0,))))
    assert asked == [f"(Type eq 'M') and (PartNum gt {number})" for number in range(3)]


@pytest.mark.parametrize("pages", [keyset_pages, offset_pages, anchored_pages])
def test_a_server_that_gives_the_same_page_for_ever_is_found_out(pages: Any) -> None:
    with pytest.raises(ConfigurationError, match="same rows again"):
        list(pages(Reader(lambda *_: [part(1), part(2)]), BY_KEY))


def test_a_server_that_goes_back_is_found_out() -> None:
    answers = iter([[part(5), part(9)], *[[part(1), part(4)]] * 3])
    with pytest.raises(ConfigurationError, match="`pagination`"):
        list(keyset_pages(Reader(lambda *_: next(answers)), BY_KEY))


@pytest.mark.rule("R5")
@pytest.mark.parametrize("page", [[part(5), part(9), part(7)], [part(5), part(2), part(9)]])
def test_rows_out_of_order_are_not_passed_over(page: list[Row]) -> None:
    with pytest.raises(ConfigurationError, match="ignores `\\$orderby`"):
        list(keyset_pages(Reader(lambda *_: page), BY_KEY))


@pytest.mark.rule("R5")
def test_counted_rows_out_of_the_order_of_their_cursor_are_told() -> None:
    class Counted(Reader):
        def fetch(self, condition: str, order: Sequence[str], skip: int = 0) -> list[Row]:
            return [{"PartNum": 1, "Revision": 9}, {"PartNum": 2, "Revision": 4}][skip:]

    reader = Counted(lambda *_: [])
    reader.types = {"PartNum": "Edm.Int32", "Revision": "Edm.Int64"}
    with pytest.raises(ConfigurationError, match="FULL_TABLE"):
        list(offset_pages(reader, RangeQuery(("Revision", "PartNum"), "")))
    assert list(offset_pages(reader, RangeQuery(("PartNum",), "")))
    assert list(offset_pages(reader, RangeQuery((), "")))


@pytest.mark.rule("R5")
def test_a_row_that_moves_while_its_page_is_read_costs_another_read() -> None:
    answers = iter([[part(5), part(9), part(7)], [part(5), part(7)], [part(9)], []])
    pages = keyset_pages(Reader(lambda *_: next(answers)), BY_KEY)
    assert [row["PartNum"] for page in pages for row in page.rows] == [5, 7, 9]


@pytest.mark.rule("R5")
@pytest.mark.parametrize(
    ("edm_type", "values"),
    [
        ("Edm.Int64", [3, 9, 4]),
        ("Edm.DateTimeOffset", ["2026-01-01T09:00:00Z", "2026-01-01T10:30:00+01:00", "2026-01-01T08:00:00Z"]),
    ],
)
def test_the_newest_value_of_a_service_that_does_not_order_is_not_believed(
    edm_type: str, values: list[Any]
) -> None:
    class Unordered(Reader):
        def sample(self, *_: Any) -> list[Any]:
            return values

    reader = Unordered(lambda *_: [])
    reader.types = {"Changed": edm_type}
    with pytest.raises(QueryRefusedError):
        newest(reader, Cursor("Changed", edm_type))


@pytest.mark.parametrize("status", [400, 500])
def test_a_service_that_refuses_the_condition_of_the_next_page(status: int) -> None:
    def answer(condition: str, _: int) -> list[Row]:
        if condition:
            raise TransientError("We apologize.", status=status)
        return [part(1)]

    with pytest.raises(TransientError, match="set `pagination` to `offset`"):
        list(keyset_pages(Reader(answer), BY_KEY))


@pytest.mark.parametrize("row", [{"Name": "x"}, {"PartNum": None}])
def test_rows_without_their_key_are_told_and_not_taken_for_the_last(row: Row) -> None:
    answers = iter([[row], []])
    with pytest.raises(ConfigurationError, match="without PartNum"):
        list(keyset_pages(Reader(lambda *_: next(answers)), BY_KEY))


@pytest.mark.parametrize("pages", [offset_pages, anchored_pages])
@pytest.mark.parametrize("cap", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("numbers", [range(7), [1, 1, 1, 1, 1, 2, 2, 2, 3]], ids=["keys", "no keys"])
def test_offset_counts_the_rows_that_came(pages: Any, cap: int, numbers: Sequence[int]) -> None:
    rows = [{**part(number), "Line": line} for line, number in enumerate(numbers)]
    read = pages(Reader(lambda _, skip: rows[skip : skip + cap]), BY_KEY)
    assert [row for page in read for row in page.rows] == rows


@pytest.mark.rule("R5")
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["gone", "new"])), max_size=6), max_size=9
    ),
    st.integers(2, 6),
)
def test_no_row_that_stays_slips_by_while_pages_are_counted(
    changes: list[list[tuple[int, str]]], cap: int
) -> None:
    """Before each page, rows are deleted, or moved away by an edit, and others come."""
    there = {*range(0, 40, 2)}
    stayed = {*there}
    pending = iter(changes)

    def answer(_: str, skip: int) -> list[Row]:
        for number, change in next(pending, ()):
            if change == "new":
                there.add(number)
            else:
                there.discard(number)
                stayed.discard(number)
        return [part(number) for number in sorted(there)[skip : skip + cap]]

    read = anchored_pages(Reader(answer), BY_KEY)
    assert {row["PartNum"] for page in read for row in page.rows} >= stayed


@pytest.mark.rule("R5")
def test_counted_pages_miss_no_row_that_moves_in_a_real_read(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=60)
    numbers = sorted(row["CustNum"] for row in epicor.control.rows("Customer") if row["Company"] == "EPIC06")
    moving = iter(numbers)

    def edit(message: dict[str, Any]) -> None:
        number = next(moving, None) if message["type"] == "STATE" else None
        if number is not None:
            epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": number}, Name="Moved")

    everybody = {"customer_types": [], "inactive_customers": "flag"}
    result = runner(epicor).run("customers", pagination="offset", page_size=5, on_message=edit, **everybody)
    assert {record["CustNum"] for record in result.records()} == {*numbers}


@given(
    st.lists(st.text("abcXYZ", min_size=1, max_size=12), min_size=2, max_size=60, unique=True),
    st.integers(30, 200),
)
def test_split_columns_lose_none_and_fit(columns: list[str], room: int) -> None:
    key = columns[:1]
    groups = split_columns(columns, key, frozenset(columns[:2]), room)
    assert {name for group in groups for name in group} == set(columns)
    assert set(columns[:2]) <= set(groups[0])
    for group in groups:
        assert set(key) <= set(group)
        assert len(",".join(group)) <= room


TYPES = {"Cursor": "Edm.Int64", "A": "Edm.String", "B": "Edm.Int32"}


@pytest.mark.parametrize(
    ("position", "condition"),
    [
        ((5, "x", 2), "(Cursor gt 5) or (Cursor eq 5 and A gt 'x') or (Cursor eq 5 and A eq 'x' and B gt 2)"),
        ((None, "x", 2), "(Cursor ne null) or (Cursor eq null and ((A gt 'x') or (A eq 'x' and B gt 2)))"),
    ],
)
def test_the_condition_of_the_next_page(position: Any, condition: str) -> None:
    assert after(("Cursor", "A", "B"), position, TYPES) == condition


@pytest.mark.rule("R5")
@pytest.mark.parametrize(
    ("shown", "condition"),
    [
        ("2026-01-31T10:00:00.145Z", "C lt 2026-01-31T10:00:00.146000Z"),
        ("2026-01-31T10:00:00Z", "C lt 2026-01-31T10:00:01.000000Z"),
        ("2026-01-31T10:00:00.1234567+02:00", "C lt 2026-01-31T08:00:00.123457Z"),
        ("9999-12-31T23:59:59.9999999Z", "C lt 9999-12-31T23:59:59.999999Z"),
    ],
)
def test_the_upper_bound_lets_the_newest_row_in_whatever_digits_are_hidden(
    shown: str, condition: str
) -> None:
    assert Cursor("C", "Edm.DateTimeOffset").through(shown) == condition


def test_a_run_after_epicors_null_date_begins_with_it() -> None:
    cursor = Cursor("C", "Edm.DateTimeOffset")
    for null in ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+08:00"):
        assert cursor.before(null, Overlap(seconds=60)) == null
        assert cursor.order(null).year == 1
    assert cursor.before("0001-01-02T00:00:00Z", Overlap(seconds=60)) == "0001-01-01T23:59:00.000000Z"


@pytest.mark.rule("R10")
@pytest.mark.parametrize("edm_type", ["Edm.DateTimeOffset", "Edm.Int64"])
@pytest.mark.parametrize("odd", ["x", [], {}, "1e999"])
def test_a_cursor_value_that_is_none_names_the_setting(edm_type: str, odd: Any) -> None:
    with pytest.raises(ConfigurationError, match="`cursors`"):
        Cursor("C", edm_type).order(odd)
    with pytest.raises(ConfigurationError, match="`cursors`"):
        next_shown(odd)


class HiddenDigits(Reader):
    """A server that stores timestamps with ticks, shows milliseconds, and gives a few rows at once."""

    def __init__(self, stored: list[tuple[str, int]], cap: int) -> None:
        super().__init__(self._selected)
        self.types = {"C": "Edm.DateTimeOffset", "PartNum": "Edm.Int32"}
        self.cap = cap
        self.table = sqlite3.connect(":memory:")
        self.table.execute("CREATE TABLE rows (C TEXT, PartNum INTEGER)")
        self.table.executemany("INSERT INTO rows VALUES (?, ?)", stored)

    def fetch(self, condition: str, order: Sequence[str], skip: int = 0) -> list[Row]:
        where = re.sub(r"2026[^Z]*Z", lambda found: f"'{found[0][:-1].ljust(27, '0')}Z'", condition or "1")
        for word, sign in {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "="}.items():
            where = where.replace(f" {word} ", f" {sign} ")
        found = self.table.execute(
            f"SELECT C, PartNum FROM rows WHERE {where} ORDER BY {','.join(order)} LIMIT {self.cap}"  # noqa: S608 (the tap's own conditions)
        )
        return [{"C": text[:23] + "Z", "PartNum": number} for text, number in found]

    def _selected(self, *_: Any) -> list[Row]:
        raise AssertionError("`fetch` answers")


@pytest.mark.rule("R5")
@pytest.mark.parametrize("cap", [2, 3, 5, 50])
def test_timestamps_with_hidden_digits_are_read_to_their_end(cap: int) -> None:
    """More rows than a page holds show one timestamp, and a server's cap makes every page a short one."""
    ticks = [
        *[(f"2026-01-31T10:00:00.{145 + number}0000Z", number) for number in range(3)],
        *[(f"2026-01-31T10:00:00.148{5000 - number}Z", number) for number in range(10, 20)],
        *[(f"2026-01-31T10:00:00.{149 + number}1000Z", 20 + number) for number in range(4)],
    ]
    reader = HiddenDigits(ticks, cap)
    pages = list(keyset_pages(reader, RangeQuery(("C", "PartNum"), "")))
    reader.table.close()
    assert {row["PartNum"] for page in pages for row in page.rows} == {number for _, number in ticks}
    assert pages[-1].position == ("2026-01-31T10:00:00.152Z", 23)


def test_a_server_that_gives_one_timestamp_for_ever_is_found_out() -> None:
    reader = Reader(lambda *_: [{"C": "2026-01-31T10:00:00.145Z", "PartNum": 7}])
    reader.types = {"C": "Edm.DateTimeOffset", "PartNum": "Edm.Int32"}
    with pytest.raises(ConfigurationError, match="same rows again"):
        list(keyset_pages(reader, RangeQuery(("C", "PartNum"), "")))


def test_after_a_single_null() -> None:
    assert after(("Cursor",), (None,), TYPES) == "Cursor ne null"


@pytest.fixture
def real_reader(start_epicor: Any) -> Callable[..., SetReader]:
    def make(**changes: Any) -> SetReader:
        epicor = start_epicor(customers=30, **changes.pop("switches", {}))
        names = ("base_url", "api_key", "companies", "username", "password")
        settings = EpicorSettings.from_config({name: epicor.hello[name] for name in names})
        client = EpicorClient(settings)
        entity = client.metadata("EPIC06", "Erp.BO.CustomerSvc").entity("Customers")
        return SetReader(
            **{
                "client": client,
                "company": "EPIC06",
                "path": "Erp.BO.CustomerSvc/Customers",
                "key": ("Company", "CustNum"),
                "columns": tuple(entity.properties),
                "types": {name: column.edm_type for name, column in entity.properties.items()},
                "needed": frozenset({"Company", "CustNum"}),
                **changes,
            }
        )

    return make


def test_rows_read_in_parts_are_the_rows(real_reader: Any) -> None:
    reader = real_reader()
    whole = reader.fetch("", ("CustNum",))
    before = reader.client.transport.calls["GET"]
    reader.client.longest_url = 400
    assert reader.fetch("", ("CustNum",)) == whole
    assert reader.client.transport.calls["GET"] - before > 2


def test_rows_without_a_key_cannot_be_read_in_parts(real_reader: Any) -> None:
    reader = real_reader(key=())
    reader.client.longest_url = 400
    with pytest.raises(ConfigurationError, match="`keys`"):
        reader.fetch("", ("CustNum",))
    reader.columns = ("CustNum", "Name")
    assert set(reader.fetch("", ("CustNum",))[0]) == {"CustNum", "Name"}


def test_a_row_that_leaves_the_page_between_two_parts_is_looked_for(real_reader: Any) -> None:
    """The second part is answered as if the first row had moved, and another one were deleted."""
    reader = real_reader()
    reader.client.longest_url = 400
    whole = real_reader().fetch("", ("CustNum",))
    read = reader._read
    pages = 0

    def with_gaps(columns: Any, condition: str, order: Any, **more: Any) -> list[Row]:
        nonlocal pages
        rows: list[Row] = read(columns, condition, order, **more)
        if "eq 2)" in condition:
            return []
        pages += bool(order)
        return rows if pages == 1 or not order else rows[2:]

    reader._read = with_gaps
    rows = reader.fetch("", ("CustNum",))
    assert [row["CustNum"] for row in rows] == [row["CustNum"] for row in whole if row["CustNum"] != 2]
    assert rows[0] == whole[0]


def test_a_column_that_the_service_does_not_know_is_left_out(real_reader: Any) -> None:
    reader = real_reader(columns=("Company", "CustNum", "NotThere_c", "Name"))
    assert set(reader.fetch("", ("CustNum",))[0]) == {"Company", "CustNum", "Name"}
    assert reader.columns == ("Company", "CustNum", "Name")


def test_two_ranges_may_find_the_same_column_missing(real_reader: Any) -> None:
    reader = real_reader(columns=("Company", "CustNum", "NotThere_c", "Name"))
    read = reader._read

    def after_another_range_found_out(columns: Any, *more: Any, **options: Any) -> list[Row]:
        reader.columns = ("Company", "CustNum", "Name")
        rows: list[Row] = read(columns, *more, **options)
        return rows

    reader._read = after_another_range_found_out
    assert set(reader.fetch("", ("CustNum",))[0]) == {"Company", "CustNum", "Name"}


def test_a_needed_column_that_the_service_does_not_know_is_an_error(real_reader: Any) -> None:
    reader = real_reader(columns=("CustNum", "NotThere_c"), needed=frozenset({"NotThere_c"}))
    with pytest.raises(ConfigurationError, match="no column NotThere_c"):
        reader.fetch("", ("CustNum",))


def test_a_set_may_give_fewer_rows_than_are_asked_for(real_reader: Any) -> None:
    whole = {row["CustNum"] for row in real_reader().fetch("", ("CustNum",))}
    capped = real_reader(switches={"set_caps": {"Customers": 4}})
    pages = list(keyset_pages(capped, RangeQuery(("CustNum",), "")))
    assert {row["CustNum"] for page in pages for row in page.rows} == whole
    assert max(len(page.rows) for page in pages) == 4


def test_ranges_are_read_concurrently_and_each_ends() -> None:
    queries = [iter([Page([part(query * 10 + page)], (page,)) for page in range(3)]) for query in range(3)]
    arrived = list(read_concurrently(queries))
    assert sorted(number for number, page in arrived if page is None) == [0, 1, 2]
    for query in range(3):
        rows = [page.rows[0]["PartNum"] for number, page in arrived if number == query and page]
        assert rows == [query * 10, query * 10 + 1, query * 10 + 2]


def test_the_next_page_is_asked_for_while_this_one_is_with_the_caller() -> None:
    asked = threading.Event()

    def query() -> Iterator[Page]:
        yield Page([part(1)], (1,))
        asked.set()
        yield Page([part(2)], (2,))

    pages = read_concurrently([query()])
    next(pages)
    assert asked.wait(timeout=120)
    assert [page for _, page in pages][-1] is None


def test_a_caller_that_stops_leaves_no_thread_behind() -> None:
    pages = read_concurrently([iter([Page([part(number)], (number,))]) for number in range(3)])
    next(pages)
    pages.close()  # type: ignore[attr-defined]  # a generator
    for thread in threading.enumerate():
        if thread.name.startswith("epicor-page"):
            thread.join(timeout=120)
            assert not thread.is_alive()


def test_a_failing_range_ends_all() -> None:
    def failing() -> Any:
        yield Page([part(1)], (1,))
        raise ConfigurationError("gone")

    with pytest.raises(ConfigurationError, match="gone"):
        list(read_concurrently([failing(), iter([Page([part(2)], (2,))])]))


@pytest.mark.rule("R5")
@pytest.mark.parametrize(
    "limits",
    [{"max_query": 600}, {"top_refused_above": 20}, {"empty_is_204": True}, {"max_filter_nodes": 100}],
    ids=str,
)
def test_a_server_that_takes_less_at_once_gives_every_row(
    start_epicor: Any, runner: Any, limits: dict[str, Any]
) -> None:
    epicor = start_epicor(customers=60, **limits)
    result = runner(epicor).run("customers", customer_types=[], inactive_customers="flag")
    expected = {row["CustNum"] for row in epicor.control.rows("Customer") if row["Company"] == "EPIC06"}
    records = result.records()
    assert {record["CustNum"] for record in records} == expected
    assert all(record["Name"] for record in records)


def test_a_row_with_half_a_surrogate_pair_costs_no_row(start_epicor: Any, runner: Any) -> None:
    epicor = start_epicor(customers=20)
    row = next(row for row in epicor.control.rows("Customer") if row["Company"] == "EPIC06")
    epicor.control.edit("Customer", {"Company": "EPIC06", "CustNum": row["CustNum"]}, Name="Yankee")
    epicor.control.switches(broken_text={"Yankee": "Yan\\ud83dkee"})
    records = runner(epicor).run("customers", customer_types=[], inactive_customers="flag").records()
    names = {record["CustNum"]: record["Name"] for record in records}
    assert names[row["CustNum"]] == "Yan\ufffdkee"
    assert len(names) == len([r for r in epicor.control.rows("Customer") if r["Company"] == "EPIC06"])


def test_behind_the_last_key_of_a_range_nobody_asks() -> None:
    asked: list[str] = []

    def answer(condition: str, _: int) -> list[Row]:
        asked.append(condition)
        return [part(1), part(2)] if len(asked) == 1 else [part(3)]

    query = RangeQuery(("PartNum",), "PartNum le 3", end=(3,))
    assert [page.position for page in keyset_pages(Reader(answer), query)] == [(2,), (3,)]
    assert len(asked) == 2
