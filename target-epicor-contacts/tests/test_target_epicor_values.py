"""Values that no column may get: damaged on their way, or longer than the column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from target_epicor_contacts.epicor.column_values import coerce, same
from target_epicor_contacts.epicor.damaged_text import is_damaged

Update = Callable[..., dict[str, Any]]

PAT, ROW = "pat@example.com", "EPIC06/CustCnt/1//1"


@pytest.fixture
def pat(bench: Any) -> Any:
    bench.edit(ROW, EMailAddress=PAT, PerConID=0, FirstName="Pat", City="Berlin")
    return bench


@pytest.mark.parametrize(
    "text",
    [
        "Andr\ufffd",
        "Pat\ud83d",
        "\ude00Pat",
        "Smith &amp; Sons",
        "O&#39;Hare",
        "Andr&eacute;",
        "&#x41;nn",
        "A\x00nn",
        "A\x1bnn",
        "Andr\x82",
        "A\ufffenn",
    ],
    ids=ascii,
)
@pytest.mark.rule("R8")
def test_a_damaged_text_is_recorded_and_not_written(pat: Any, update: Update, text: str) -> None:
    pat.deliver(update(PAT, "unsubscribed", FirstName=text, City="Hamburg"))
    [decision] = pat.decisions()
    row = pat.all_rows()[ROW]
    assert (decision["action"], decision["reason"]) == ("failed", "invalid_value")
    assert "`FirstName` is damaged" in decision["detail"]
    assert (row["FirstName"], row["City"], row["NoContact"]) == ("Pat", "Hamburg", True)


@pytest.mark.parametrize(
    "text",
    [
        "Smith & Sons",
        "AT&T; Ltd",
        "Zoë 😀",
        "R&D;",
        "Line\r\nbreak\t",
        "\U0001f468\u200d\U0001f469",
        "\u2764\ufe0f\u200d\U0001f525",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0928\u0947\u0924\u094d\u0930\u200d\u091c",
        "\u200f\u05d0\u05d1\u05d9 (\u05d1\u05e2\u05f4\u05de)\u200f",
        "\u1780\u200b\u1781",
        "JOS\u00c9, S\u00c3O PAULO",
        "MANH\u00c3\u201d",
        "CAF\u00c9\u00ae",
        "SM\u00c5\u00ae",
        "\u0418\u0432\u0430\u043d",
        "20\u00b0C, \u00bd price",
        "C:\\users 100%25",
        "Ümit",
        "a&b",
        "&;",
        "",
    ],
    ids=ascii,
)
def test_what_somebody_can_have_typed_is_not_damaged(text: str) -> None:
    assert not is_damaged(text)


READ_WRONGLY = (
    *("\u00e9", "Jos\u00e9", "\u00c9mile", "O\u2019Neill", "12\u00bd"),
    *("M\u00fcller", "\u017cuk", "\u041a\u0438", "\U0001f600"),
)


@pytest.mark.parametrize(
    "text",
    [
        "Zoe\u200b",
        "Pat\u200d",
        "Pat\u200cRoe",
        "\ufeffPat",
        "Pat\u200e",
        "A\u202eB",
        "\u2066Pat\u2069",
        "Ro\u2060e",
        "Pat\u2028Roe",
        *(text.encode().decode("cp1252") for text in READ_WRONGLY),
        "Andr\u00e9".encode().decode("latin-1"),
        "Andr\u00e9".encode().decode("cp850"),
        "Andr\u00e9".encode().decode("mac-roman"),
        "Smith &amp Sons",
        "Jos\\u00e9",
        "Jos%C3%A9",
        "=?utf-8?Q?Jos=C3=A9?=",
    ],
    ids=ascii,
)
def test_what_nobody_can_have_typed_is_damaged(text: str) -> None:
    assert is_damaged(text)


def test_a_new_contact_takes_no_damaged_name(bench: Any, update: Update) -> None:
    customer = bench.all_rows()["EPIC06/Customer/2"]["CustID"]
    bench.deliver(
        update("new@example.com", "subscribed", FirstName="Andr\ufffd", LastName="Roe"),
        unmatched="create",
        create_under_customer=customer,
    )
    [row] = [row for row in bench.all_rows().values() if row["EMailAddress"] == "new@example.com"]
    assert (row["FirstName"], row["LastName"], row["Name"]) == ("", "Roe", "Roe")


def test_an_over_long_value_is_told_with_the_length_before_it_is_sent(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(column_lengths={"CustCnt.FirstName": 30}, metadata_max_length=True)
    pat.deliver(update(PAT, "unsubscribed", FirstName="x" * 60, City="Hamburg"))
    [decision] = pat.decisions()
    assert decision["reason"] == "invalid_value"
    assert "60 characters, the column takes 30" in decision["detail"]
    row = pat.all_rows()[ROW]
    assert (row["FirstName"], row["City"], row["NoContact"]) == ("Pat", "Hamburg", True)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({"FirstName": "Nina", "LastName": "Newington"}, ("Nina", "Newington", "Nina Newin")),
        ({"FirstName": "N" * 30, "LastName": "New"}, ("", "New", "New")),
        ({"Name": "N" * 30, "LastName": "New"}, ("", "New", "New")),
        ({"FirstName": "Nina", "LastName": "Ne😀w"}, ("Nina", "Ne😀w", "Nina Ne😀w")),
        ({}, ("", "", "new@exampl")),
    ],
)
def test_the_names_of_a_new_contact_fit_their_columns(
    bench: Any, update: Update, given: dict[str, str], stored: tuple[str, str, str]
) -> None:
    lengths = {"CustCnt.Name": 10, "CustCnt.FirstName": 10, "CustCnt.LastName": 10}
    bench.epicor.control.switches(column_lengths=lengths, metadata_max_length=True)
    customer = bench.all_rows()["EPIC06/Customer/2"]["CustID"]
    bench.deliver(
        update("new@example.com", "subscribed", **given), unmatched="create", create_under_customer=customer
    )
    [row] = [row for row in bench.all_rows().values() if row["EMailAddress"] == "new@example.com"]
    assert (row["FirstName"], row["LastName"], row["Name"]) == stored


def test_a_name_that_follows_from_its_parts_fits_its_column(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(column_lengths={"CustCnt.Name": 10}, metadata_max_length=True)
    pat.deliver(update(PAT, FirstName="Nina", MiddleName="", LastName="Newington"))
    assert pat.all_rows()[ROW]["Name"] == "Nina Newin"


def test_a_new_address_that_its_column_does_not_take_is_told_before_it_is_sent(
    pat: Any, update: Update
) -> None:
    pat.epicor.control.switches(column_lengths={"CustCnt.EMailAddress": 20}, metadata_max_length=True)
    pat.deliver(update(PAT, type="upemail", new_email="pat.newington@example.com"))
    [decision] = pat.decisions()
    assert (decision["reason"], "the column takes 20" in decision["detail"]) == ("invalid_value", True)
    assert pat.all_rows()[ROW]["EMailAddress"] == PAT


def test_an_address_that_its_column_does_not_take_makes_no_contact(bench: Any, update: Update) -> None:
    bench.epicor.control.switches(column_lengths={"CustCnt.EMailAddress": 10}, metadata_max_length=True)
    customer = bench.all_rows()["EPIC06/Customer/2"]["CustID"]
    bench.deliver(update("new@example.com", "subscribed"), unmatched="create", create_under_customer=customer)
    [decision] = bench.decisions()
    assert (decision["action"], "the column takes 10" in decision["detail"]) == ("failed", True)


def test_a_length_is_counted_as_the_server_counts(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(column_lengths={"CustCnt.FirstName": 3}, metadata_max_length=True)
    pat.deliver(update(PAT, FirstName="a😀"))
    assert pat.all_rows()[ROW]["FirstName"] == "a😀"
    pat.deliver(update(PAT, FirstName="ab😀", second=1))
    assert pat.decisions()[-1]["reason"] == "invalid_value"


def test_a_text_that_the_server_cuts_without_saying_is_told_as_over_long(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(column_lengths={"CustCnt.FirstName": 30}, over_long="cut")
    pat.deliver(update(PAT, FirstName="x" * 60))
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "not_stored")
    assert "Epicor kept 30 of 60 characters" in decision["detail"]


@pytest.mark.parametrize("city", [" Rome ", "Rome  "])
def test_a_text_without_the_blanks_around_it_is_stored(pat: Any, update: Update, city: str) -> None:
    pat.epicor.control.faults(
        {
            "match": {"method": "GET", "path": "CustCnts"},
            "effect": {"kind": "rewrite", "pattern": city, "text": "Rome"},
        }
    )
    pat.deliver(update(PAT, City=city))
    assert pat.actions() == [("updated", "fields_differ")]


def test_a_text_that_is_stored_in_another_form_is_told_as_such(pat: Any, update: Update) -> None:
    pat.epicor.control.faults(
        {
            "match": {"method": "GET", "path": "CustCnts"},
            "effect": {"kind": "rewrite", "pattern": "Rome", "text": "ROME"},
        }
    )
    pat.deliver(update(PAT, City="Rome"))
    [decision] = pat.decisions()
    assert (decision["action"], decision["reason"]) == ("failed", "not_stored")
    assert "accepted the change of City and stored another value" in decision["detail"]


@pytest.mark.rule("R2")
@pytest.mark.parametrize("no", ["N", "no", "nein"])
def test_a_flag_in_another_form_is_not_taken_for_set(pat: Any, update: Update, no: str) -> None:
    pat.epicor.control.faults(
        {
            "match": {"method": "GET", "path": "CustCnts|Customers"},
            "effect": {"kind": "rewrite", "pattern": '"NoContact":\\s*false', "text": f'"NoContact":"{no}"'},
        }
    )
    pat.deliver(update(PAT, "unsubscribed"))
    assert pat.actions() == [("flagged", "unsubscribed")]
    assert ROW in pat.flagged()


@pytest.mark.parametrize("number", ["P-7", ""])
def test_a_contact_of_a_person_without_a_number_is_one_of_nobody(
    pat: Any, update: Update, number: str
) -> None:
    pat.epicor.control.faults(
        {
            "match": {"method": "GET", "path": "CustCnts"},
            "effect": {"kind": "rewrite", "pattern": '"PerConID":\\s*\\d+', "text": f'"PerConID":"{number}"'},
        }
    )
    pat.deliver(update(PAT, "unsubscribed"))
    assert pat.actions() == [("flagged", "unsubscribed")]


@pytest.mark.rule("R2")
def test_a_particular_that_does_not_fit_costs_no_opt_out(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(column_lengths={"CustCnt.MC_StatusReason_c": 5}, metadata_max_length=True)
    pat.deliver(
        update(PAT, "unsubscribed", type="unsubscribe", reason="manually"), reason_column="MC_StatusReason_c"
    )
    assert ROW in pat.flagged()
    assert "the column takes 5" in pat.decisions()[-1]["detail"]


@pytest.mark.rule("R2")
@pytest.mark.parametrize("address", ["a..b.@carrier.example", "no-dot@carrier", ".first@carrier.example"])
def test_an_opt_out_needs_no_valid_address(bench: Any, update: Update, address: str) -> None:
    bench.edit(ROW, EMailAddress=address, PerConID=0)
    bench.edit("EPIC06/Customer/2", EMailAddress=f"Dock <{address.title()}>")
    bench.deliver(update(address, "unsubscribed"))
    assert {ROW, "EPIC06/Customer/2"} <= bench.flagged()
    assert bench.actions() == [("flagged", "unsubscribed")]


def test_no_contact_is_made_for_an_address_that_is_not_valid(bench: Any, update: Update) -> None:
    before = len(bench.all_rows())
    customer = bench.all_rows()["EPIC06/Customer/2"]["CustID"]
    bench.deliver(
        update("a..b.@carrier.example", "subscribed"), unmatched="create", create_under_customer=customer
    )
    assert len(bench.all_rows()) == before
    assert bench.decisions()[-1]["action"] == "failed"


@pytest.mark.rule("R7")
def test_a_refused_value_is_written_by_a_replay_and_by_no_later_event(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(column_lengths={"CustCnt.FirstName": 30})
    refused = update(PAT, FirstName="x" * 40, City="Hamburg")
    pat.deliver(refused)
    pat.deliver(update(PAT, FirstName="x" * 40, City="Rome", second=5))
    assert [decision["action"] for decision in pat.decisions()] == ["failed", "updated"]
    assert (pat.all_rows()[ROW]["FirstName"], pat.all_rows()[ROW]["City"]) == ("Pat", "Rome")
    pat.epicor.control.switches(column_lengths={})
    pat.deliver(refused)
    assert (pat.all_rows()[ROW]["FirstName"], pat.all_rows()[ROW]["City"]) == ("x" * 40, "Rome")


def test_a_whole_address_stays_where_a_part_does_not_fit(pat: Any, update: Update) -> None:
    pat.epicor.control.switches(column_lengths={"CustCnt.Zip": 5}, metadata_max_length=True)
    home = {"addr1": "1 New St", "city": "Rome", "state": "RM", "zip": "0123456"}
    fields = {"Address1": "ADDRESS.addr1", "City": "ADDRESS.city", "Zip": "ADDRESS.zip"}
    pat.deliver(update(PAT, merges={"ADDRESS": home}), merge_fields=fields)
    assert pat.decisions()[-1]["reason"] == "invalid_value"
    assert pat.all_rows()[ROW]["City"] == "Berlin"


@pytest.mark.parametrize("zone", ["-10:00", "-06:00", "+00:00", "+13:00"])
def test_a_day_is_the_same_in_every_zone_that_shows_it(zone: str) -> None:
    written = coerce("Since_c", "2026-02-01", "Edm.DateTimeOffset")
    there = datetime.fromisoformat(written).astimezone(
        datetime.fromisoformat(f"2026-02-01T00:00{zone}").tzinfo
    )
    assert same(written, f"{there:%Y-%m-%d}T00:00:00{zone}", "Edm.DateTimeOffset")
    assert f"{there:%Y-%m-%d}" == "2026-02-01"
