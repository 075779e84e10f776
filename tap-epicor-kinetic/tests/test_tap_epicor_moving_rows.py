"""While a reader pages, a writer edits, inserts, ties and commits late: no row is missed by keyset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from kinetic_mailchimp.epicor import EpicorClient, EpicorSettings, Row
from simulators.epicor.testing import RunningEpicor, running_epicor
from tap_epicor_kinetic.reading.bookmark import Bookmark
from tap_epicor_kinetic.reading.cursor import Overlap, resolve_cursor
from tap_epicor_kinetic.reading.paging import offset_pages
from tap_epicor_kinetic.reading.scan import read_scan
from tap_epicor_kinetic.reading.scan_plan import Planner, RangeQuery
from tap_epicor_kinetic.reading.set_reader import SetReader

COMPANY = "EPIC06"
CUSTOMERS = "Erp.BO.CustomerSvc/Customers"
PAGE = 5
MINUTE = 600_000_000
"""Of ticks of 100 ns."""


class Server:
    """A simulated Kinetic whose clock moves when the test says so, so that edits share a timestamp."""

    def __init__(self, profile: str) -> None:
        self.ticks = 17_700_000_000_000_000
        self._context = running_epicor(customers=24, profile=profile, clock=lambda: self.ticks)
        self.epicor: RunningEpicor = self._context.__enter__()
        settings = EpicorSettings.from_config(
            {**self.epicor.hello, "companies": [COMPANY], "token_url": None, "client_id": None}
        )
        self.client = EpicorClient(settings)
        self.entity = self.client.metadata(COMPANY, "Erp.BO.CustomerSvc").entity("Customers")

    def close(self) -> None:
        self.client.close()
        self._context.__exit__(None, None, None)

    def reader(self) -> SetReader:
        columns = ("Company", "CustNum", "Name", "SysRevID", "UpdatedOn")
        return SetReader(
            client=self.client,
            company=COMPANY,
            path=CUSTOMERS,
            key=("Company", "CustNum"),
            columns=tuple(name for name in columns if name in self.entity.properties),
            types={name: column.edm_type for name, column in self.entity.properties.items()},
            page_size=PAGE,
        )

    def planner(self) -> Planner:
        return Planner(
            entity=self.entity,
            key=("Company", "CustNum"),
            cursor=resolve_cursor("customers", self.entity, None),
            overlap=Overlap(seconds=120, revisions=40),
        )

    def versions(self) -> dict[int, int]:
        rows = self.epicor.control.rows("Customer")
        return {row["CustNum"]: row["SysRevID"] for row in rows if row["Company"] == COMPANY}


@pytest.fixture(params=["updated-on", "stock"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    yield server
    server.close()


class ReaderAndWriter(RuleBasedStateMachine):
    """One reader, who may be killed and then goes on from the bookmark, and one writer."""

    profile: str

    @initialize(workers=st.sampled_from([1, 3]))
    def begin(self, workers: int) -> None:
        # With several, the first load is cut into key ranges.
        self.workers = workers
        self.server = Server(self.profile)
        self.read: dict[int, int] = {}
        self.bookmark = Bookmark()
        self.pages: Iterator[tuple[Any, Bookmark]] | None = None
        self.edited = 0

    @rule()
    def reads_a_page(self) -> None:
        if self.pages is None:
            self.pages = read_scan(self.server.reader(), self.server.planner(), self.bookmark, self.workers)
        arrived = next(self.pages, None)
        if arrived is None:
            self.pages = None
            return
        rows, self.bookmark = arrived
        for row in rows:
            self.read[row["CustNum"]] = max(row["SysRevID"], self.read.get(row["CustNum"], 0))

    @rule()
    def reads_to_the_end(self) -> None:
        self.reads_a_page()
        while self.pages is not None:
            self.reads_a_page()

    @precondition(lambda self: self.pages is not None)
    @rule()
    def is_killed(self) -> None:
        self.pages.close()  # type: ignore[union-attr]  # a generator, by the precondition
        self.pages = None

    @rule(minutes=st.sampled_from([0, 1, 10]))
    def time_passes(self, minutes: int) -> None:
        # What is held must commit within the overlap: more is not promised.
        self.server.epicor.control.commit()
        self.server.ticks += minutes * MINUTE

    @rule(index=st.integers(0, 20), hold=st.booleans())
    def edits(self, index: int, hold: bool) -> None:
        numbers = sorted(self.server.versions())
        self.edited += 1
        key = {"Company": COMPANY, "CustNum": numbers[index % len(numbers)]}
        self.server.epicor.control.edit("Customer", key, hold=hold, Name=f"Edit {self.edited}")

    @rule()
    def inserts(self) -> None:
        self.server.epicor.control.insert("Customer", Company=COMPANY, CustID=f"N{self.edited}", Name="New")

    def teardown(self) -> None:
        if not hasattr(self, "server"):
            return
        self.server.epicor.control.commit()
        if self.pages is not None:
            self.is_killed()
        self.reads_to_the_end()
        versions = self.server.versions()
        self.server.close()
        assert self.read == versions


@pytest.mark.rule("R5")
@pytest.mark.parametrize("profile", ["updated-on", "stock"])
def test_every_row_is_read_in_its_last_version(profile: str) -> None:
    machine = type("Machine", (ReaderAndWriter,), {"profile": profile})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.rule("R5")
def test_ties_larger_than_a_page_are_read_once_each(server: Server) -> None:
    for number in server.versions():
        server.epicor.control.edit("Customer", {"Company": COMPANY, "CustNum": number}, Name="Same timestamp")
    pages = read_scan(server.reader(), server.planner(), Bookmark(), workers=1)
    read = [row["CustNum"] for rows, _ in pages for row in rows]
    assert len(read) > 2 * PAGE
    assert sorted(read) == sorted(server.versions())


@pytest.mark.rule("R5")
def test_a_run_ends_although_edits_never_do(server: Server) -> None:
    """Each page is followed by an edit that puts a row behind the last one."""
    numbers = sorted(server.versions())
    pages = read_scan(server.reader(), server.planner(), Bookmark(), workers=1)
    count = 0
    for _ in pages:
        count += 1
        server.ticks += MINUTE
        key = {"Company": COMPANY, "CustNum": numbers[count % len(numbers)]}
        server.epicor.control.edit("Customer", key, Name=f"Edit {count}")
        assert count < 3 * len(numbers)
    assert count <= len(numbers) // PAGE + 2


@pytest.mark.rule("R5")
def test_plain_skip_misses_a_row_that_keyset_does_not(server: Server) -> None:
    """The reason for keyset: an edit moves a row to the end, and every later row one place forward."""
    cursor = server.planner().cursor
    assert cursor is not None
    query = RangeQuery((cursor.column, "CustNum"), "")

    def read_while_the_first_row_moves() -> set[int]:
        seen: list[Row] = []
        for page in offset_pages(server.reader(), query):
            if not seen:
                server.ticks += MINUTE
                first = {"Company": COMPANY, "CustNum": page.rows[0]["CustNum"]}
                server.epicor.control.edit("Customer", first, Name="Moved")
            seen += page.rows
        return {row["CustNum"] for row in seen}

    assert set(server.versions()) - read_while_the_first_row_moves()
