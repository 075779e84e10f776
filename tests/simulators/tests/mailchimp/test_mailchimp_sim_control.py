"""The control API, the switches and the command."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from simulators.mailchimp.plain_client import PlainClient
from simulators.mailchimp.switches import Switches

EMAIL = "ada@example.com"


def test_contacts_are_placed_without_a_word(api: PlainClient) -> None:
    members: list[dict[str, Any]] = [
        {"email": "a@example.com", "state": "Complained"},
        {"email": "b@example.com", "state": "subscribed", "merge_fields": {"FNAME": "B"}, "tags": ["x"]},
        {"email": "c@example.com", "state": "forgotten"},
        {"email": "d@example.com", "state": "archived_locked"},
    ]
    api.control.put_members(members)
    found = api.control.members()
    assert {email: entry["state"] for email, entry in found.items()} == {
        "a@example.com": "complained",
        "b@example.com": "subscribed",
        "c@example.com": "forgotten",
        "d@example.com": "archived_locked",
    }
    assert found["b@example.com"]["merge_fields"]["FNAME"] == "B"
    assert api.get("/lists/{list}/abuse-reports").json()["total_items"] == 1
    api.control.put_members([{"email": "b@example.com", "state": "absent"}])
    assert "b@example.com" not in api.control.members()
    assert api.control.raises() == []


def test_placing_a_contact_anew_keeps_its_ids(api: PlainClient) -> None:
    before = api.upsert(EMAIL).json()
    api.control.put_members([{"email": EMAIL, "state": "cleaned"}])
    after = api.member(EMAIL)
    assert (after["contact_id"], after["status"]) == (before["contact_id"], "cleaned")


MISTAKES: dict[str, tuple[Callable[[PlainClient], Any], int]] = {
    "unknown state": (lambda api: api.control.put_members([{"email": EMAIL, "state": "happy"}]), 422),
    "bad value": (
        lambda api: api.control.put_members(
            [{"email": EMAIL, "state": "subscribed", "merge_fields": {"ADDRESS": "x"}}]
        ),
        422,
    ),
    "unknown act": (lambda api: api.control.act("dance", EMAIL), 404),
    "unknown person": (lambda api: api.control.unsubscribe(EMAIL), 409),
    "unknown list": (lambda api: api.control.unsubscribe(EMAIL, "0000000000"), 404),
    "unknown switch": (lambda api: api.control.switch(nonsense=1), 422),
    "bad setting": (lambda api: api.control.switch(connection_limit="many"), 422),
}


@pytest.mark.parametrize(("call", "status"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_of_a_test_are_loud(api: PlainClient, call: Any, status: int) -> None:
    with pytest.raises(RuntimeError, match=str(status)):
        call(api)


def test_a_person_cannot_take_an_address_that_is_taken(api: PlainClient) -> None:
    api.upsert(EMAIL)
    api.upsert("b@example.com")
    with pytest.raises(RuntimeError, match="409"):
        api.control.change_address(EMAIL, "b@example.com")
    with pytest.raises(RuntimeError, match="ADDRESS: Please enter a complete address"):
        api.control.edit_profile(EMAIL, merge_fields={"ADDRESS": "x"})


def test_a_reset_begins_anew_with_the_same_ids(api: PlainClient) -> None:
    api.upsert(EMAIL)
    api.control.switch(connection_limit=1)
    before = {one["name"]: one["id"] for one in api.get("/lists").json()["lists"]}
    api.control.reset()
    assert {one["name"]: one["id"] for one in api.get("/lists").json()["lists"]} == before
    assert api.control.members() == {}
    assert [entry["path"] for entry in api.control.requests()] == ["/3.0/lists"]


def test_lists_can_be_added(api: PlainClient) -> None:
    fields = [{"tag": "SIZE", "type": "dropdown", "required": True, "options": {"choices": ["S"]}}]
    list_id = api.control.add_list("Another", double_optin=True, merge_fields=fields)
    assert api.get(f"/lists/{list_id}").json()["double_optin"] is True
    made = api.get(f"/lists/{list_id}/merge-fields").json()["merge_fields"][-1]
    assert (made["tag"], made["required"], made["options"]["choices"]) == ("SIZE", True, ["S"])


def test_the_control_api_needs_no_credentials(api: PlainClient) -> None:
    assert requests.get(f"{api.control.url}/switches", timeout=120).status_code == 200


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Switches)])
def test_every_switch_takes_its_default_and_refuses_an_object(name: str) -> None:
    default = getattr(Switches(), name)
    assert Switches().changed({name: default}) == Switches()
    with pytest.raises(ValueError, match=name):
        Switches().changed({name: object()})


def test_the_command_greets_and_serves_until_it_is_stopped() -> None:
    program = Path(sysconfig.get_path("scripts")) / "simulate-mailchimp"
    switches = '{"webhook_retry_scale": 1}'
    command = [str(program), "--port", "0", "--seed", "5", "--members", "30", "--switches", switches]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        hello = json.loads(process.stdout.readline())
        auth = ("", hello["api_key"])
        ping = requests.get(f"{hello['base_url']}/ping", auth=auth, timeout=120)
        stats = requests.get(
            f"{hello['base_url']}/lists/{hello['list_id']}?include_total_contacts=1", auth=auth, timeout=30
        ).json()
        process.terminate()
        rest = process.stdout.read()
        process.wait(30)
    assert ping.status_code == 200
    assert stats["stats"]["total_contacts"] == 30
    assert set(hello) == {
        "base_url",
        "api_key",
        "list_id",
        "lists",
        "client_id",
        "client_secret",
        "authorize_url",
        "token_url",
        "metadata_url",
        "control_url",
    }
    assert rest == ""


@pytest.mark.parametrize("switches", ['{"nonsense": 1}', "[]", "{"])
def test_the_command_refuses_switches_that_it_does_not_know(switches: str) -> None:
    program = Path(sysconfig.get_path("scripts")) / "simulate-mailchimp"
    command = [str(program), "--switches", switches]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--switches" in done.stderr
