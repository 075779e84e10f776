"""What once went wrong where both directions meet, each as its shortest story.

The lines of docs/consent.md are played beside these; here is what does not fit into a line.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pipelines import PLUGINS
from play import begun, told
from vendors import COMPANY
from world import HOME, World, contact, customer

ANN, BOB = "ann@example.com", "bob@example.com"


def columns(world: World, row: Any, *names: str) -> tuple[Any, ...]:
    """Some columns of a row."""
    found = world.row(row)
    return tuple(found[name] for name in names)


# Consent


STORIES = {
    "the first word": "Ann leaves → webhooks are lost",
    "after an event": "Ann writes Cyd → reverse → Ann leaves → webhooks are lost",
    "for the second time": "Ann leaves → reverse → Ann returns → reverse → Ann leaves",
}
CLOCKS = [hours for hours in itertools.product((-2, 0, 2), repeat=2) if hours != (0, 0)]


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    ("story", "receivers", "pipelines"),
    [
        pytest.param(story, *hours, id=f"{name}, {hours[0]} h and {hours[1]} h")
        for name, story in STORIES.items()
        for hours in CLOCKS
    ],
)
def test_no_clock_decides_whether_an_opt_out_arrives(world, story, receivers, pipelines):
    skewed = f"the receiver's clock is off by {receivers} h → the pipelines' clocks are off by {pipelines} h"
    assert told(world, f"{skewed} → {story}") == []
    assert world.is_flagged(contact(1))


@pytest.mark.rule("R2")
def test_a_clock_that_is_set_back_between_two_runs_forgets_no_opt_out(world):
    story = (
        "the pipelines' clocks are off by 2 h → Ann writes Cyd → reverse →"
        " the pipelines' clocks are off by -2 h → Ann leaves → webhooks are lost → reverse"
    )
    assert told(world, story) == []
    assert world.is_flagged(contact(1))


@pytest.mark.rule("R2")
def test_a_receiver_that_is_twenty_minutes_ahead_hides_no_opt_out_from_the_catch_up(world):
    scene = begun(world)
    world.receiver_skew = 20 * 60
    scene.play("Ann writes Cyd → reverse → Ann leaves → webhooks are lost → reverse → forward")
    assert scene.settle() == []
    assert world.is_flagged(contact(1))


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "story",
    [
        pytest.param("a rep corrects Ann to anna@ → Ann leaves → reverse → forward", id="unsubscribe"),
        pytest.param("a rep corrects Ann to anna@ → Ann complains → reverse → forward", id="complaint"),
        pytest.param("Ann leaves → webhooks are held → a rep corrects Ann to anna@ → forward", id="late"),
    ],
)
def test_an_opt_out_under_an_old_address_follows_the_person(world, story):
    scene = begun(world)
    scene.play(story)
    assert scene.settle() == []
    letters = str(world.dead_letters())
    assert world.is_flagged(contact(1)) or ANN in letters


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "story",
    [
        "Ann leaves → a rep corrects Ann's contact to anna@ → forward → reverse",
        "Ann leaves → a rep corrects Ann's contact to anna@ → reverse → forward",
        "Ann complains → a rep corrects Ann's contact to info@",
    ],
)
def test_an_opt_out_follows_the_contact_that_left_its_customers_address_after_it(world, story):
    assert told(world, story) == []
    assert world.is_flagged(contact(1))


@pytest.mark.rule("R2")
@pytest.mark.parametrize("order", ["forward → reverse", "reverse → forward"])
def test_an_opt_out_follows_the_customer_that_left_its_contacts_address_just_before(world, order):
    scene = begun(world)
    scene.play(f"a rep corrects Ann's customer to anna@ → Ann complains → {order}")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status("anna@example.com")) == ("set", "none")


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "story",
    [
        "Ann moves to anna@ → Ann leaves",
        "Ann moves to anna@ → Ann complains",
        "Ann leaves → Ann moves to anna@",
        "Ann moves to anna@ → forward → Ann leaves",
    ],
)
def test_an_opt_out_after_a_move_of_which_no_webhook_told_reaches_the_row_of_the_old_address(world, story):
    scene = begun(world)
    world.settings["reverse"] = {"catch_up_scope": "all_changes"}
    scene.play(f"reverse → forward → {story} → webhooks are lost")
    assert scene.settle() == []
    assert world.is_flagged(contact(1))
    assert columns(world, contact(1), "EMailAddress") == ("anna@example.com",)


@pytest.mark.rule("R1")
def test_a_move_that_no_event_tells_of_reaches_the_row_and_makes_no_second_member(world):
    story = "Ann moves to anna@ → webhooks are lost → a rep writes phone 5551 for Ann's customer"
    assert told(world, story) == []
    assert columns(world, contact(1), "EMailAddress", "NoContact") == ("anna@example.com", False)
    assert (world.status(ANN), world.status("anna@example.com")) == ("none", "subscribed")


@pytest.mark.rule("R8")
def test_a_profile_under_an_old_address_follows_the_person(world):
    assert told(world, "a rep corrects Ann to anna@ → Ann writes Cyd → reverse → forward") == []
    assert columns(world, contact(1), "FirstName", "EMailAddress") == ("Cyd", "anna@example.com")


@pytest.mark.rule("R8")
def test_where_both_sides_change_the_address_one_person_is_left(world):
    assert told(world, "a rep corrects Ann to anna@ → Ann moves to annie@ → reverse → forward") == []
    (address,) = columns(world, contact(1), "EMailAddress")
    subscribed = [word for word in (ANN, "anna@example.com", "annie@example.com") if world.member(word)]
    assert subscribed == [address]


@pytest.mark.rule("R2")
def test_a_wish_about_one_of_two_customers_with_one_address_reaches_the_other_and_falls_with_it(world):
    scene = begun(world)
    scene.play("a rep adds Eve with ann@ → forward → reverse → a rep flags Eve → forward → reverse")
    assert (scene.flag("Ann"), scene.flag("Eve"), world.status(ANN)) == ("set", "set", "unsubscribed")
    scene.play("a rep clears Eve")
    assert scene.settle() == []
    assert (scene.flag("Ann"), scene.flag("Eve"), world.status(ANN)) == ("clear", "clear", "unsubscribed")


@pytest.mark.rule("R2")
def test_a_wish_falls_only_with_the_last_rep_that_has_it(world):
    scene = begun(world)
    scene.play("a rep adds Eve with ann@ → forward → reverse → a rep flags Eve → a rep flags Ann's contact")
    scene.play("forward → reverse → a rep clears Eve")
    assert scene.settle() == []
    assert (scene.flag("Ann's contact"), world.status(ANN)) == ("set", "unsubscribed")


@pytest.mark.rule("R1")
def test_a_flag_set_twice_by_a_rep_around_a_return_holds_the_second_time(world):
    scene = begun(world)
    scene.play("a rep flags Ann → forward → reverse → Ann returns → reverse → forward → a rep clears Ann")
    scene.play("forward → reverse")
    assert (scene.flag("Ann"), world.status(ANN)) == ("clear", "subscribed")
    scene.play("a rep flags Ann's contact")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANN)) == ("set", "unsubscribed")


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    "story",
    [
        "Ann leaves → reverse → Ann returns → forward begins → reverse → forward ends",
        (
            "Ann leaves → reverse → forward → Ann returns → a rep writes phone 5551 for Ann's customer →"
            " forward begins → reverse → forward ends"
        ),
    ],
)
def test_a_flag_of_ours_that_was_taken_back_while_a_run_held_the_row_is_no_wish(world, story):
    scene = begun(world)
    scene.play(story)
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANN)) == ("clear", "subscribed")


@pytest.mark.rule("R1")
def test_a_flag_that_a_rep_sets_where_ours_was_taken_back_is_a_wish(world):
    scene = begun(world)
    scene.play("Ann leaves → reverse → Ann returns → reverse → a rep flags Ann's contact")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANN)) == ("set", "unsubscribed")


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    "story",
    [
        "Ann leaves → reverse → forward → the audit database is restored → Ann returns → reverse → forward",
        "Ann leaves → reverse → Ann returns → the audit database is restored → reverse → forward",
    ],
)
def test_an_audit_database_from_a_backup_unsubscribes_nobody_who_came_back(world, story):
    assert told(world, f"the audit database is backed up → {story}") == []
    assert world.status(ANN) == "subscribed"


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    "change",
    [
        "a rep merges Bob into Ann → forward → reverse",
        "a rep merges Bob into Ann and deletes the rest",
        "a rep moves Bob to the other company → forward → reverse",
    ],
)
def test_a_flag_of_ours_stays_ours_on_a_row_that_comes_in_the_place_of_another(world, change):
    assert told(world, f"Bob leaves → reverse → forward → {change} → Bob returns") == []
    rows = [row for row in world.rows() if world.row(row)["EMailAddress"] == BOB]
    assert rows
    assert not any(map(world.is_flagged, rows))
    assert world.status(BOB) == "subscribed"


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    "story",
    [
        "a rep flags Bob → forward → reverse → a rep merges Bob into Ann and deletes the rest",
        (
            "Bob leaves → reverse → a rep adds a second contact Zoe to Ann with info@ →"
            " a rep flags Ann's second contact → a rep corrects Ann's second contact to bob@"
        ),
    ],
)
def test_a_flag_of_a_rep_on_a_row_that_is_new_at_an_address_is_the_reps_to_clear(world, story):
    assert told(world, f"{story} → forward → reverse → Bob returns") == []
    assert (world.is_flagged(contact(1, 2)), world.status(BOB)) == (True, "subscribed")


@pytest.mark.rule("R2")
@pytest.mark.parametrize("too_late", ["", " too late"])
def test_what_was_said_while_the_receiver_was_down_is_told_later_or_asked_for(world, too_late):
    story = f"the receiver is down → Ann leaves → Bob writes Cyd → the receiver is up again{too_late}"
    assert told(world, f"{story} → Bob writes Bea") == []
    assert world.is_flagged(contact(1))
    assert columns(world, contact(2), "FirstName") == ("Bea",)


@pytest.mark.rule("R1")
def test_a_flag_that_a_lost_audit_database_cannot_explain_stays_and_unsubscribes_nobody(world):
    scene = begun(world)
    scene.play("Ann leaves → reverse → forward → reverse → forward → the audit database is lost")
    scene.play("forward → reverse → Ann returns → reverse → forward")
    scene.play("a rep writes phone 5551 for Ann's customer")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANN)) == ("set", "subscribed")


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "story",
    [
        "Ann leaves → reverse → forward → a rep corrects Bob to ann@ → a rep corrects Bob to info@",
        "Ann leaves → reverse → a rep adds Eve with ann@ → a rep corrects Eve to eve@ → forward",
    ],
)
def test_an_opt_out_does_not_follow_a_row_that_no_run_has_seen_at_its_address(world, story):
    assert told(world, story) == []
    there = [row for row in world.rows() if world.row(row)["EMailAddress"] == ANN]
    assert [row for row in world.rows() if world.is_flagged(row)] == there


@pytest.mark.rule("R2")
@pytest.mark.parametrize("pipeline", ["forward", "reverse"])
def test_a_row_that_only_a_run_at_work_has_seen_at_an_address_leaves_both_sides_at_rest(world, pipeline):
    story = f"a rep corrects Bob to ann@ → {pipeline} begins → Ann leaves → a rep corrects Bob to info@"
    assert told(world, f"{story} → {pipeline} ends") == []


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    ("before", "flag", "status"),
    [
        ("a rep flags Ann → forward → reverse", "set", "unsubscribed"),
        ("Ann leaves → reverse → forward", "clear", "subscribed"),
    ],
    ids=["the rep's", "ours"],
)
def test_a_flag_that_is_cleared_and_set_between_two_runs_is_whose_it_was(world, before, flag, status):
    scene = begun(world)
    scene.play(f"{before} → a rep clears Ann → a rep flags Ann{' → Ann returns' if flag == 'clear' else ''}")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANN)) == (flag, status)


# Fields


@pytest.mark.rule("R8")
@pytest.mark.parametrize("write", ["before its write 1", "before its write 2", "after its first write"])
def test_an_edit_in_the_second_of_a_write_of_ours_leaves_both_sides_with_one_value(world, write):
    world.signed = True
    story = f"a rep writes Bea for Ann's contact → forward, and {write} at once: Ann writes Cyd"
    assert told(world, story) == []
    assert columns(world, contact(1), "FirstName") == ("Cyd",)


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    "story",
    [
        "Ann writes Cyd → the audit database is lost",
        "the audit database is lost → forward → Ann writes Cyd",
        "Ann writes Cyd → the audit database is lost → a rep writes company Acme for Ann's customer",
    ],
)
def test_an_edit_that_is_told_after_a_first_look_at_the_audience_reaches_epicor(world, story):
    assert told(world, story) == []
    assert columns(world, contact(1), "FirstName") == ("Cyd",)


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    "story",
    [
        "the audit database is lost → Ann writes company Best",
        "Ann writes company Best → the audit database is lost",
        "the audit database is lost → forward → Ann writes company Best",
    ],
)
@pytest.mark.parametrize("reads", ["all rows", "the row, which changed"])
def test_without_the_audit_database_a_row_puts_its_value_back_once_it_is_read(world, story, reads):
    scene = begun(world)
    scene.play(story)
    assert scene.settle() == []
    assert world.fields(ANN)["COMPANY"] == "Best"
    if reads == "all rows":
        world.states["forward"].append({})
    else:
        scene.play("a rep writes phone 5551 for Ann's customer")
    assert scene.settle() == []
    assert world.fields(ANN)["COMPANY"] == "Company 1"


@pytest.mark.rule("R8")
def test_a_phone_becomes_the_persons_own_and_leaves_the_customers_alone(world):
    scene = begun(world)
    world.profile(ANN, PHONE="555 0199")
    assert scene.settle() == []
    shown = (columns(world, customer(1), "PhoneNum"), columns(world, contact(1), "PhoneNum"))
    assert (*shown, world.fields(ANN)["PHONE"]) == (("",), ("555 0199",), "555 0199")


@pytest.mark.rule("R8")
@pytest.mark.parametrize(("policy", "shown"), [("mailchimp_wins", "555 0199"), ("epicor_wins", "5551")])
def test_a_customers_phone_after_the_persons_own_is_a_conflict_that_is_recorded(world, policy, shown):
    scene = begun(world)
    world.targets = {name: {"conflict_policy": policy} for name in world.targets}
    world.profile(ANN, PHONE="555 0199")
    scene.play("reverse → forward → a rep writes phone 5551 for Ann's customer → forward")
    assert any("555 0199" in told and "5551" in told for told in map(str, world.decisions()))
    assert scene.settle() == []
    assert world.fields(ANN)["PHONE"] == shown


@pytest.mark.rule("R8")
def test_an_empty_field_that_was_never_agreed_on_clears_nothing(world):
    world.targets["reverse"]["allow_clear"] = True
    scene = begun(world)
    world.edit(contact(1), PhoneNum="5559")
    world.join("eve@example.com")
    scene.play("a rep adds Eve with eve@ → reverse → Ann writes Cyd → reverse")
    assert columns(world, contact(3), "FirstName", "LastName") == ("Eve", "Example")
    assert scene.settle() == []
    assert columns(world, contact(3), "FirstName", "LastName") == ("Eve", "Example")
    assert columns(world, contact(1), "PhoneNum") == ("5559",)


@pytest.mark.rule("R8")
def test_a_persons_profile_changes_contacts_and_no_customer(world):
    scene = begun(world)
    home = {"addr1": "2 New St", "city": "Berlin", "state": "BE", "zip": "10115", "country": "DE"}
    world.profile(ANN, PHONE="555 0199", ADDRESS=home)
    before = columns(world, customer(1), "PhoneNum", *HOME)
    assert scene.settle() == []
    assert columns(world, customer(1), "PhoneNum", *HOME) == before


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("column", "tag"), [("Name", "COMPANY"), ("GroupCode", "INDUSTRY"), ("TerritoryID", "REGION")]
)
def test_a_customers_own_column_travels_both_ways_by_one_line_each_way(world, column, tag):
    forward, reverse = (PLUGINS[name]["config"] for name in ("target-mailchimp", "target-epicor-contacts"))
    world.targets["forward"]["two_way_fields"] = [*forward["two_way_fields"], tag]
    world.targets["reverse"] = {
        "merge_fields": {**reverse["merge_fields"], column: tag},
        "write_customer_columns": True,
    }
    scene = begun(world)
    world.profile(ANN, **{tag: "Best"})
    assert scene.settle() == []
    shown = (columns(world, customer(1), column), columns(world, contact(1), "Name"))
    assert shown == (("Best",), ("Ann Example",))
    world.edit(customer(1), **{column: "Acme"})
    assert scene.settle() == []
    assert world.fields(ANN)[tag] == "Acme"


@pytest.mark.rule("R8")
def test_an_address_moves_as_a_whole_with_its_country(world):
    scene = begun(world)
    home = {"addr1": "2 New St", "city": "Berlin", "state": "BE", "zip": "10115", "country": "DE"}
    world.profile(ANN, ADDRESS=home)
    assert scene.settle() == []
    row = world.row(contact(1))
    assert (row["Address1"], row["City"], row["Zip"]) == ("2 New St", "Berlin", "10115")
    assert row["Country"].lower() in ("germany", "de")


@pytest.mark.rule("R8")
@pytest.mark.parametrize("placeholder", ["-", ""], ids=["filled in", "cleared"])
def test_an_address_that_mailchimp_does_not_take_stays_as_it_is_in_epicor(world, monkeypatch, placeholder):
    monkeypatch.setitem(PLUGINS["target-mailchimp"]["config"], "address_placeholder", placeholder)
    scene = begun(world)
    abroad = {**HOME, "Address1": "12 Harbour Way", "City": "Muscat", "State": "", "Country": "Oman"}
    world.edit(customer(1), contact(1), **abroad)
    assert scene.settle() == []
    shown = world.fields(ANN).get("ADDRESS") or {}
    assert shown.get("state", "") == placeholder
    world.profile(ANN, FNAME="Anna", **({"ADDRESS": {**shown, "addr1": "9 Quay"}} if shown else {}))
    assert scene.settle() == []
    street = "9 Quay" if placeholder else "12 Harbour Way"
    assert columns(world, contact(1), "FirstName", *HOME) == ("Anna", street, *list(abroad.values())[1:])


@pytest.mark.rule("R8")
def test_names_of_several_people_with_one_address_stay_as_they_are(world):
    scene = begun(world)
    scene.play("a rep adds a second contact Zoe to Ann with ann@ → forward → reverse → Ann writes Cyd")
    assert scene.settle() == []
    names = [columns(world, contact(1, position), "FirstName") for position in (1, 2)]
    assert names == [("Ann",), ("Zoe",)]
    assert "shared_address" in str(world.decisions())


@pytest.mark.rule("R2")
def test_an_opt_out_of_a_shared_address_reaches_every_row(world):
    scene = begun(world)
    scene.play("a rep adds a second contact Zoe to Ann with ann@ → forward → Ann leaves → reverse")
    assert scene.settle() == []
    assert (scene.flag("Ann"), scene.flag("Ann's second contact")) == ("set", "set")


@pytest.mark.rule("R8")
def test_our_flag_does_not_change_which_company_a_member_shows(world):
    scene = begun(world)
    scene.play("a rep adds Eve with ann@ → forward → reverse")
    scene.play("a rep writes phone 5551 for Ann's customer → forward")
    assert world.fields(ANN)["COMPANY"] == "Company 1"
    scene.play("Ann leaves → reverse → forward → Ann returns → reverse → forward")
    assert scene.settle() == []
    assert world.fields(ANN)["COMPANY"] == "Company 1"


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    "story",
    [
        "an admin deletes Ann for good → a rep flags Ann",
        "an admin deletes Ann for good → a rep writes Bea for Ann's contact",
        "an admin deletes Ann for good → a rep writes company Acme for Ann's customer",
        "a rep corrects Ann to info@ → an admin deletes Ann for good → forward starts from an older bookmark",
        "a rep adds Eve with ann@ → reverse → an admin deletes Eve for good → a rep makes Ann inactive",
    ],
)
def test_whom_mailchimp_refuses_is_not_sent_again_with_every_run(world, story):
    assert told(world, story) == []


@pytest.mark.rule("R1")
def test_whom_mailchimp_refused_comes_back_as_the_person_wishes_and_is_written_again(world):
    scene = begun(world)
    scene.play("an admin deletes Ann for good → a rep writes company Acme for Ann's customer → forward")
    assert "permanently_deleted" in str(world.last_decisions())
    scene.play("Ann returns as Ann → a rep writes company Best for Ann's customer")
    assert scene.settle() == []
    assert (world.status(ANN), world.fields(ANN)["COMPANY"]) == ("subscribed", "Best")


@pytest.mark.rule("R7")
@pytest.mark.parametrize("is_signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    "moves",
    [
        "Ann moves to info@ → Ann moves to anna@",
        "Ann moves to info@ → Ann moves to annie@ → Ann moves to anna@",
        "Ann moves to info@ → Ann moves to ann@ → Ann moves to anna@",
        "Ann writes Cyd → Ann moves to anna@",
        "Ann moves to info@ → Ann writes Cyd → Ann moves to anna@",
        "Ann moves to info@ → Ann moves to anna@ → Bob moves to info@ → Bob moves to bobby@",
    ],
)
def test_changes_of_address_that_arrive_in_the_wrong_order_lead_to_the_last_one(world, moves, is_signed):
    world.signed = is_signed
    assert told(world, f"{moves} → webhooks arrive reversed") == []
    assert columns(world, contact(1), "EMailAddress") == ("anna@example.com",)


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    "then",
    [
        "a rep adds Una with ANN@",
        "a rep adds Una with ann@",
        "a rep adds Eve with ann@",
        "forward → a rep adds Una with ann@",
        "a rep corrects Bob to ann@",
        "a rep adds Una with ann@ → a rep writes Bea for Ann's contact",
        "a rep adds Una with ann@ → forward is killed at write 1",
        "a rep adds Una with ann@ → forward is killed after its first write",
    ],
)
def test_an_address_that_a_subscriber_left_in_mailchimp_is_free_for_another_person(world, then):
    assert told(world, f"Ann moves to anna@ → reverse → {then}") == []
    assert (world.status(ANN), world.status("anna@example.com")) == ("subscribed", "subscribed")


@pytest.mark.rule("R8")
def test_an_address_that_was_left_is_free_before_the_run_has_read_the_new_one(world):
    world.targets["forward"] = {"batch_size": 1}
    story = "Ann moves to info@ → Ann moves to anna@ → reverse → a rep adds Eve with ann@"
    assert told(world, story) == []
    assert (world.status(ANN), world.status("anna@example.com")) == ("subscribed", "subscribed")


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    "story",
    [
        "Ann leaves → Ann moves to anna@ → reverse",
        "Ann moves to anna@ → Ann leaves → reverse",
        "Ann moves to anna@ → reverse → Ann leaves",
    ],
)
def test_an_address_that_was_left_beside_an_opt_out_subscribes_nobody(world, story):
    assert told(world, f"{story} → a rep adds Una with ann@") == []
    assert world.status(ANN) != "subscribed"
    assert world.status("anna@example.com") == "unsubscribed"


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("edit", "shown"),
    [
        ("a rep writes Bea for Ann's contact", "Bea"),
        ("a rep writes Ann for Ann's contact", "Ann"),
        ("Ann writes Ann", "Ann"),
    ],
)
def test_a_name_that_reverse_brought_with_a_move_is_the_baseline_of_the_next_edit(world, edit, shown):
    assert told(world, f"Ann writes Cyd → Ann moves to anna@ → reverse → {edit}") == []
    assert world.fields("anna@example.com")["FNAME"] == shown


@pytest.mark.rule("R8")
def test_what_was_agreed_under_an_address_hides_no_edit_after_a_return_to_it(world):
    story = (
        "Ann writes Cyd → reverse → Ann moves to anna@ → reverse → forward →"
        " a rep writes Bea for Ann's contact → forward → reverse → Ann moves to ann@ → Ann writes Cyd"
    )
    assert told(world, story) == []
    assert columns(world, contact(1), "FirstName") == ("Cyd",)


@pytest.mark.rule("R8")
def test_two_people_who_swap_addresses_keep_their_names(world):
    scene = begun(world)
    scene.play("a rep swaps Ann's and Bob's addresses → forward → reverse")
    assert scene.settle() == []
    assert columns(world, contact(1), "FirstName", "EMailAddress") == ("Ann", "bob@example.com")
    assert columns(world, contact(2), "FirstName", "EMailAddress") == ("Bob", ANN)
    assert (world.fields(ANN)["FNAME"], world.fields("bob@example.com")["FNAME"]) == ("Bob", "Ann")


@pytest.mark.rule("R8")
@pytest.mark.parametrize(
    ("story", "batch_size"),
    [
        ("a rep swaps Ann's and Bob's addresses → the tap of forward breaks off", 500),
        ("a rep swaps Ann's and Bob's addresses → the tap of forward breaks off → forward", 1),
        ("a rep swaps Ann's and Bob's addresses → forward", 1),
    ],
)
def test_a_customer_that_comes_later_than_its_contact_names_the_company(stock, tmp_path, story, batch_size):
    world = World(stock, tmp_path)
    world.targets["forward"] = {"batch_size": batch_size}
    assert told(world, story) == []
    shown = [world.fields(address)["COMPANY"] for address in (ANN, BOB)]
    assert shown == ["Company 2", "Company 1"]


@pytest.mark.rule("R8")
def test_a_value_that_reached_the_wrong_member_before_a_kill_is_put_right_under_another_address(world):
    story = (
        "a rep swaps Ann's and Bob's addresses → forward is killed after its first write →"
        " Ann moves to info@ → Ann returns as Ann → a rep swaps Ann's and Bob's addresses"
    )
    assert told(world, story) == []


@pytest.mark.rule("R8")
def test_addresses_are_swapped_with_somebody_who_went_to_another_company(world):
    assert told(world, "a rep moves Ann to the other company → a rep swaps Ann's and Bob's addresses") == []


@pytest.mark.rule("R6")
def test_every_run_of_a_long_story_accounts_for_every_record(world):
    scene = begun(world)
    scene.play(
        "Ann leaves → webhooks arrive twice → reverse → forward is killed after its first write → forward →"
        " reverse starts from an older bookmark → reverse → Bob moves to bobby@ → reverse → forward"
    )
    assert scene.settle() == []
    assert world.query("SELECT count(*) AS runs FROM runs")[0]["runs"] > 8


def test_the_world_runs_the_mapping_of_the_project(world):
    begun(world)
    member = world.member(ANN)
    assert member is not None
    assert dict(member.merge_values)["ADDRESS"]["addr1"] == HOME["Address1"]
    assert {decision["source_key"] for decision in world.decisions()} >= {f"Customer {COMPANY}/1"}
