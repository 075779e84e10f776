"""The named mappings of meltano.yml as data: a record in, the mapped record out, through the real mapper."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml
from meltano_map_transform.mapper import StreamTransform
from target_epicor_contacts.contract.contact_update import parse_update

PROJECT = yaml.safe_load((Path(__file__).resolve().parents[2] / "meltano.yml").read_text(encoding="utf-8"))
MAPPINGS = {
    mapping["name"]: mapping["config"]
    for mapper in PROJECT["plugins"]["mappers"]
    for mapping in mapper["mappings"]
}
ANY = {"type": ["string", "number", "integer", "boolean", "object", "null"]}


def mapped(mapping: str, stream: str, record: dict[str, object]) -> dict[str, object] | None:
    """What the mapping makes of a record, with its stream; None where it drops it."""
    schema = {"type": "object", "properties": dict.fromkeys(record, ANY)}
    lines = [
        {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []},
        {"type": "RECORD", "stream": stream, "record": record},
    ]
    written = io.StringIO()
    with redirect_stdout(written):
        StreamTransform(config=MAPPINGS[mapping]).listen(io.StringIO("\n".join(map(json.dumps, lines))))
    messages = [json.loads(line) for line in written.getvalue().splitlines()]
    records = [message for message in messages if message["type"] == "RECORD"]
    return {"stream": records[0]["stream"], **records[0]["record"]} if records else None


CUSTOMER = {
    "Company": "EPIC06",
    "CustNum": 12,
    "Name": "Example Tools Ltd",
    "EMailAddress": "Info@Example.com",
    "PhoneNum": "555 0100",
    "Address1": "1 Example Street",
    "Address2": "",
    "City": "Springfield",
    "State": "IL",
    "Zip": "62701",
    "Country": "USA",
    "GroupCode": "Tools",
    "TerritoryID": "Midwest",
    "SalesRepCode": "REP1",
    "CreditHold": False,
    "NoContact": False,
    "Active": True,
    "UpdatedOn": "2026-01-02T03:04:05.678Z",
    "SysRevID": 3000000001,
    "SysRowID": "00000000-0000-0000-0000-00000000000c",
}
ADDRESS = {
    "addr1": "1 Example Street",
    "addr2": "",
    "city": "Springfield",
    "state": "IL",
    "zip": "62701",
    "country": "USA",
}
MEMBER = {
    "stream": "members",
    "email_address": "Info@Example.com",
    "status": None,
    "COMPANY": "Example Tools Ltd",
    "PHONE": "555 0100",
    "ADDRESS": ADDRESS,
    "INDUSTRY": "Tools",
    "REGION": "Midwest",
    "ACCTSTATUS": "Active",
    "source_active": True,
    "source_rep": "REP1",
    "source_key": "Customer EPIC06/12",
    "source_id": "00000000-0000-0000-0000-00000000000c",
    "source_updated_on": "2026-01-02T03:04:05.678Z",
}


def without(record: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in record.items() if name not in names}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {}, id="every field"),
        pytest.param({"NoContact": True}, {"status": "unsubscribed"}, id="not to be contacted"),
        pytest.param({"CreditHold": True}, {"ACCTSTATUS": "On hold"}, id="on hold"),
        pytest.param({"Active": False}, {"ACCTSTATUS": "Inactive", "source_active": False}, id="inactive"),
        pytest.param({"City": None}, {"ADDRESS": None}, id="an address that is not known"),
        pytest.param(
            {"State": "", "Zip": "", "Country": "Oman"},
            {"ADDRESS": {**ADDRESS, "state": "", "zip": "", "country": "Oman"}},
            id="an address of a country without states",
        ),
        pytest.param({"EMailAddress": None}, {"email_address": None}, id="no address: the target records it"),
        pytest.param({"GroupCode": ""}, {"INDUSTRY": ""}, id="an emptied field is cleared"),
    ],
)
def test_a_customer_becomes_a_member(changes, expected):
    assert mapped("epicor-to-mailchimp", "customers", CUSTOMER | changes) == MEMBER | expected


def test_a_tenant_without_optional_columns_is_served():
    bare = without(
        CUSTOMER,
        *(
            "UpdatedOn",
            "PhoneNum",
            "GroupCode",
            "TerritoryID",
            "SalesRepCode",
            "CreditHold",
            "Active",
            "Zip",
            "SysRowID",
        ),
    )

    assert mapped("epicor-to-mailchimp", "customers", bare) == MEMBER | {
        "PHONE": None,
        "ADDRESS": None,
        "INDUSTRY": None,
        "REGION": None,
        "source_rep": None,
        "source_id": None,
        "source_updated_on": "3000000001",
    }


CONTACT = {
    "Company": "EPIC06",
    "CustNum": 12,
    "ShipToNum": "",
    "ConNum": 3,
    "FirstName": "Ann",
    "LastName": "Example",
    "EMailAddress": "ann@example.com",
    "NoContact": False,
    "Inactive": False,
    "UpdatedOn": "2026-01-02T03:04:05.678Z",
}


def test_a_contact_gives_its_name_to_a_member():
    assert mapped("epicor-to-mailchimp", "customer_contacts", CONTACT) == {
        "stream": "member_names",
        "email_address": "ann@example.com",
        "status": None,
        "FNAME": "Ann",
        "LNAME": "Example",
        "source_key": "CustCnt EPIC06/12//3",
        "source_id": None,
        "source_updated_on": "2026-01-02T03:04:05.678Z",
    }


@pytest.mark.parametrize("changes", [{"Inactive": True}, {"FirstName": "", "LastName": None}])
def test_an_opt_out_of_any_contact_is_passed_on(changes):
    record = mapped("epicor-to-mailchimp", "customer_contacts", CONTACT | changes | {"NoContact": True})

    assert record is not None
    assert (record["email_address"], record["status"]) == ("ann@example.com", "unsubscribed")


def test_an_inactive_contact_is_left_out():
    assert mapped("epicor-to-mailchimp", "customer_contacts", CONTACT | {"Inactive": True}) is None


def test_a_contact_whose_names_were_emptied_clears_them():
    record = mapped("epicor-to-mailchimp", "customer_contacts", CONTACT | {"FirstName": "", "LastName": ""})

    assert record is not None
    assert (record["FNAME"], record["LNAME"]) == ("", "")


def test_streams_that_are_not_mapped_pass_unchanged():
    assert mapped("epicor-to-mailchimp", "parts", {"PartNum": "A/1"}) == {"stream": "parts", "PartNum": "A/1"}


EVENT = {
    "event_id": "e1",
    "sequence": 7,
    "type": "unsubscribe",
    "reason": "manual",
    "action": "unsub",
    "email": "ann@example.com",
    "old_email": None,
    "new_email": None,
    "list_id": "a1b2c3",
    "web_id": "404947702",
    "campaign_id": "c1",
    "merges": {
        "EMAIL": "ann@example.com",
        "FNAME": "Ann",
        "LNAME": "Example",
        "PHONE": "555 0101",
        "ADDRESS": {
            "addr1": "2 Example Street",
            "addr2": "",
            "city": "Springfield",
            "state": "IL",
            "zip": "62701",
        },
    },
    "occurred_at": "2026-01-02T03:04:05Z",
    "received_at": "2026-01-02T03:04:06Z",
    "origin": "webhook",
    "statement": {"told_by": "webhook", "is_signed": True, "ip_opt": "192.0.2.1"},
}
UPDATE = {
    "stream": "contact_updates",
    "email": "ann@example.com",
    "new_email": None,
    "event_id": "e1",
    "occurred_at": "2026-01-02T03:04:05Z",
    "claimed_at": None,
    "sequence": 7,
    "type": "unsubscribe",
    "reason": "manual",
    "campaign_id": "c1",
    "list_id": "a1b2c3",
    "web_id": "404947702",
    "origin": "webhook",
    "confirmation": None,
    "contact_status": "unsubscribed",
    "merges": EVENT["merges"],
    "statement": EVENT["statement"],
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {}, id="unsubscribe"),
        pytest.param({"action": None}, {}, id="unsubscribe that does not say by which action"),
        pytest.param({"action": "delete"}, {"contact_status": None}, id="archived by an admin"),
        pytest.param({"reason": "abuse"}, {"reason": "abuse", "contact_status": "complaint"}, id="complaint"),
        pytest.param(
            {"type": "cleaned", "reason": "hard", "merges": None},
            {"type": "cleaned", "reason": "hard", "merges": None, "contact_status": "cleaned"},
            id="bounce",
        ),
        pytest.param(
            {"type": "subscribe"}, {"type": "subscribe", "contact_status": "subscribed"}, id="subscribe"
        ),
        pytest.param({"type": "profile"}, {"type": "profile", "contact_status": None}, id="profile"),
        pytest.param({"confirmation": "refuted"}, {"confirmation": "refuted"}, id="refuted by Mailchimp"),
        pytest.param(
            {"type": "upemail", "new_email": "anna@example.com", "merges": None},
            {"type": "upemail", "new_email": "anna@example.com", "merges": None, "contact_status": None},
            id="changed address",
        ),
    ],
)
def test_an_event_becomes_a_contact_update(changes, expected):
    assert mapped("mailchimp-to-epicor", "contact_events", EVENT | changes) == UPDATE | expected


@pytest.mark.parametrize(
    ("kind", "status"), [("unsubscribe", "unsubscribed"), ("cleaned", "cleaned")], ids=str
)
def test_a_present_opt_out_tells_of_consent_alone(kind, status):
    opt_out = {name: EVENT[name] for name in ("event_id", "email", "list_id", "occurred_at")}
    told = opt_out | {"stream": "contact_updates", "type": kind, "reason": "manual"}
    record = opt_out | {"type": kind, "reason": "manual", "unsubscribe_reason": "No longer interested"}
    assert mapped("mailchimp-to-epicor", "opt_outs", record) == told | {"contact_status": status}


# The columns that go back are declared in the settings of the target


TARGET = next(
    plugin["config"] for plugin in PROJECT["plugins"]["loaders"] if plugin["name"] == "target-epicor-contacts"
)


@pytest.mark.parametrize(
    ("merges", "columns"),
    [
        pytest.param(
            EVENT["merges"],
            {
                "FirstName": "Ann",
                "LastName": "Example",
                "PhoneNum": "555 0101",
                "Address1": "2 Example Street",
                "Address2": "",
                "City": "Springfield",
                "State": "IL",
                "Zip": "62701",
            },
            id="every field",
        ),
        pytest.param(None, {}, id="no fields"),
        pytest.param(
            {"LNAME": "X", "ADDRESS": "2 Example Street"}, {"LastName": "X"}, id="address as a text"
        ),
    ],
)
def test_the_target_takes_the_declared_columns_out_of_an_event(merges, columns):
    record = mapped("mailchimp-to-epicor", "contact_events", EVENT | {"merges": merges})
    assert record is not None
    record.pop("stream")
    assert parse_update("contact_updates", record, TARGET["merge_fields"]).columns == columns
