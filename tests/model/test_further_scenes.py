"""Scenes about people whom Mailchimp refuses, merged customers, and addresses that moved in one audience."""

from __future__ import annotations

import pytest
from play import begun
from world import RowName, World, contact, customer, source_key

ANN, BOB, ANNA = "ann@example.com", "bob@example.com", "anna@example.com"
FAKE = "test@test.com"
"""An address that Mailchimp holds for made up."""


def columns(world: World, row: RowName, *names: str) -> tuple[object, ...]:
    """Some columns of a row."""
    found = world.row(row)
    return tuple(found[name] for name in names)


def sent(world: World) -> int:
    """The number of requests to Mailchimp since the logs were cleared that would change something."""
    return sum("/3.0/" in write for write in world.vendors.writes())


@pytest.mark.rule("R8")
def test_whom_mailchimp_holds_for_made_up_is_sent_once_and_again_when_the_row_changes(world):
    scene = begun(world)
    world.person(5, FAKE, "Fay")
    scene.play("forward → forward")
    assert "failed/fake_address" in str([f"{row['action']}/{row['reason']}" for row in world.decisions()])
    assert "refused/refused_before test@test.com" in world.last_decisions()
    world.vendors.clear_logs()
    scene.play("forward → reverse → forward")
    assert sent(world) == 0
    assert len([row for row in world.dead_letters() if row["subject"] == FAKE]) == 1
    assert not world.is_flagged(customer(5))
    world.edit(customer(5), Name="Other")
    world.vendors.clear_logs()
    scene.play("forward → forward")
    assert sent(world) == 1
    world.edit(customer(5), contact(5), EMailAddress="fay@example.com")
    assert scene.settle() == []
    assert world.status("fay@example.com") == "subscribed"


@pytest.mark.rule("R1")
@pytest.mark.parametrize("deletes", ["", " and deletes the rest"])
def test_a_flag_of_ours_stays_ours_through_two_merges_in_a_row(world, deletes):
    scene = begun(world)
    scene.play("a rep adds Eve with eve@ → forward → Bob leaves → reverse → forward")
    for into in ("Ann", "Eve"):
        number = scene.numbers["Bob" if into == "Ann" else "Ann"]
        moved = [row for row in world.rows() if row[:2] == ("CustCnt", number)]
        assert moved
        world.merge(number, scene.numbers[into], deletes=bool(deletes))
        scene.play("forward → reverse")
    scene.play("Bob returns → reverse → forward")
    rows = [row for row in world.rows() if row[0] == "CustCnt" and world.row(row)["EMailAddress"] == BOB]
    assert rows
    assert not any(map(world.is_flagged, rows))
    assert world.status(BOB) == "subscribed"


@pytest.mark.rule("R2")
@pytest.mark.rule("R6")
def test_our_flag_on_a_row_of_several_people_is_no_dead_letter_and_a_reps_is_one(world):
    scene = begun(world)
    for number in (5, 6):
        world.person(number, f"{ANN}; {BOB}", "Both")
    scene.play("forward → Ann leaves → reverse")
    assert world.is_flagged(customer(5))
    scene.play("forward")
    assert world.dead_letters() == []

    world.edit(customer(6), EMailAddress="fay@example.com; gus@example.com", NoContact=False)
    scene.play("forward")
    world.flag(customer(6))
    scene.play("forward")
    assert [letter["source_key"] for letter in world.dead_letters()] == [source_key(customer(6))]


@pytest.mark.rule("R2")
@pytest.mark.parametrize("told_as", ["subscribe", "profile"])
@pytest.mark.parametrize("arrives", ["lost", "told"])
def test_a_return_to_a_further_audience_takes_the_flag_back(world, told_as, arrives):
    scene = begun(world)
    scene.play("Ann joins the second audience → reverse → Ann leaves the second audience → reverse")
    assert scene.flag("Ann") == "set"
    world.wait(60)
    world.join(ANN, world.vendors.second, told=told_as)
    if arrives == "lost":
        scene.play("webhooks are lost")
        world.anything_lost = False
    scene.play("reverse")
    assert scene.flag("Ann") == "clear"
    assert scene.settle() == []


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    ("story", "name"),
    [
        ("Ann leaves → reverse → a rep corrects Ann to info@ → forward → a rep adds Una with ann@", "Una"),
        ("a rep corrects Ann to info@ → Ann leaves → forward → a rep adds Una with ann@", "Una"),
        ("Ann complains → a rep corrects Ann to info@ → forward → a rep corrects Bob to ann@", "Bob"),
    ],
)
def test_an_opt_out_that_went_along_with_the_person_holds_for_whoever_gets_the_address(world, story, name):
    scene = begun(world)
    scene.play(story)
    assert scene.settle() == []
    assert (scene.flag("Ann"), scene.flag(name)) == ("set", "set")
    assert world.status(ANN) != "subscribed"


@pytest.mark.rule("R1")
def test_a_person_who_is_out_goes_back_to_the_address_before_and_returns_there(world):
    scene = begun(world)
    scene.play("Ann leaves → reverse → a rep corrects Ann to info@ → forward → a rep corrects Ann to ann@")
    scene.play("forward → reverse")
    assert (world.status(ANN), world.status("info@example.com")) == ("unsubscribed", "none")
    scene.play("Ann returns")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANN)) == ("clear", "subscribed")


SWAP = "Ann moves to info@ → Bob moves to ann@ → Ann moves to bob@"


@pytest.mark.rule("R2")
@pytest.mark.rule("R8")
@pytest.mark.parametrize("is_signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    "story",
    [
        f"{SWAP} → reverse",
        f"{SWAP} → reverse → forward",
        f"{SWAP} → forward → reverse",
        f"{SWAP} → webhooks arrive twice → reverse",
    ],
)
def test_two_people_who_swap_addresses_in_mailchimp_keep_their_names_and_opt_outs(world, story, is_signed):
    world.signed = is_signed
    scene = begun(world)
    scene.play(story)
    assert columns(world, contact(1), "FirstName", "EMailAddress") == ("Ann", BOB)
    assert columns(world, contact(2), "FirstName", "EMailAddress") == ("Bob", ANN)
    scene.play("Ann leaves → reverse")
    assert scene.settle() == []
    assert (scene.flag("Ann"), scene.flag("Bob")) == ("set", "clear")
    assert (world.status(BOB), world.status(ANN)) == ("unsubscribed", "subscribed")


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "story", ["reverse → Ann leaves → reverse", "reverse → Ann complains → forward → reverse", "Ann leaves"]
)
def test_an_opt_out_after_a_swap_that_arrived_in_another_order_stays_with_whoever_said_it(world, story):
    scene = begun(world)
    scene.play(f"webhooks are held → {SWAP} → webhooks arrive reversed → {story}")
    assert scene.settle() == []
    assert [world.row(contact(number))["EMailAddress"] for number in (1, 2)] == [BOB, ANN]
    assert (scene.flag("Ann"), scene.flag("Bob")) == ("set", "clear")
    assert (world.status(BOB), world.status(ANN)) == ("unsubscribed", "subscribed")


@pytest.mark.rule("R2")
@pytest.mark.parametrize(
    "move",
    [
        "Ann moves to anna@ → reverse",
        "Ann moves to anna@ → reverse → forward",
        "a rep corrects Ann to anna@ → forward → reverse",
    ],
)
def test_an_opt_out_of_an_audience_that_still_has_the_old_address_follows_the_person(world, move):
    scene = begun(world)
    scene.play(f"Ann joins the second audience → reverse → {move}")
    second = world.vendors.second
    world.leave(ANN, second)
    scene.play("reverse")
    assert scene.flag("Ann") == "set"
    world.wait(60)
    world.join(ANN, second)
    scene.play("reverse")
    assert scene.flag("Ann") == "clear"
    world.leave(ANN, second)
    scene.play("reverse")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANNA)) == ("set", "subscribed")


@pytest.mark.rule("R2")
def test_an_opt_out_of_an_audience_reaches_the_row_that_lost_its_address_before(world):
    scene = begun(world)
    scene.play("Ann joins the second audience → reverse → a rep corrects Ann to anna@")
    world.leave(ANN, world.vendors.second)
    scene.play("reverse → forward → reverse")
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANNA)) == ("set", "subscribed")


@pytest.mark.rule("R2")
def test_a_bounce_in_an_audience_that_still_has_the_old_address_stays_with_it(world):
    scene = begun(world)
    scene.play("Ann joins the second audience → reverse → a rep corrects Ann to anna@ → forward → reverse")
    world.act("bounce", ANN, world.vendors.second)
    assert scene.settle() == []
    assert (scene.flag("Ann"), world.status(ANNA)) == ("clear", "subscribed")


@pytest.mark.rule("R1")
@pytest.mark.parametrize(
    "then", ["reverse", "reverse → a rep adds Eve with anna@", "webhooks are lost → reverse"]
)
def test_a_reps_opt_out_follows_a_person_who_has_just_changed_the_address(world, then):
    scene = begun(world)
    scene.play(f"a rep flags Bob → Bob moves to anna@ → forward → {then}")
    assert scene.settle() == []
    assert world.status(ANNA) == "unsubscribed"
    assert world.status(BOB) == "none"


@pytest.mark.rule("R2")
def test_the_opt_out_that_followed_a_person_stays_the_reps(world):
    scene = begun(world)
    scene.play("a rep flags Bob → Bob moves to anna@ → forward → reverse → forward → reverse")
    scene.play("a rep clears Bob")
    assert scene.settle() == []
    assert scene.flag("Bob") == "clear"
    assert world.status(ANNA) == "unsubscribed"


@pytest.mark.rule("R2")
@pytest.mark.parametrize("form", ["absent", "empty"])
def test_contacts_of_the_sms_channel_alone_keep_nobody_else_from_anything(world, form):
    world.vendors.switch(contacts_without_address=form, sms_events=True)
    scene = begun(world)
    scene.play("Ann leaves → reverse → forward → the audit database is lost → forward → Bob leaves → reverse")
    assert scene.settle() == []
    assert (scene.flag("Ann"), scene.flag("Bob")) == ("set", "set")
    assert "" not in {row["subject"] for row in world.decisions()}


IN_LETTERS, IN_ASCII = (
    "una@m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.example",
    "una@xn--mnchen-3ya.example",
)


@pytest.mark.rule("R2")
@pytest.mark.rule("R8")
@pytest.mark.parametrize(("held", "told"), [(IN_LETTERS, IN_ASCII), (IN_ASCII, IN_LETTERS)])
@pytest.mark.parametrize("action", ["leave", "complain", "bounce"])
def test_an_opt_out_reaches_the_rows_that_spell_its_domain_otherwise(world, held, told, action):
    scene = begun(world)
    world.person(5, held, "Una")
    scene.play("forward → reverse")
    world.join(told)
    scene.play("reverse → forward")
    getattr(world, action)(told)
    scene.play("reverse")
    assert world.is_flagged(customer(5))
    assert world.is_flagged(contact(5))
    assert scene.settle() == []
    assert world.is_flagged(customer(5))
    # To Mailchimp it is another member, who said nothing.
    assert world.status(held) == "subscribed"
    assert world.row(contact(5))["EMailAddress"] == held


@pytest.mark.rule("R2")
def test_a_return_clears_the_flag_once_no_spelling_of_the_domain_is_out(world):
    scene = begun(world)
    world.person(5, IN_LETTERS, "Una")
    scene.play("forward → reverse")
    world.join(IN_ASCII)
    for address in (IN_ASCII, IN_LETTERS):
        world.wait()
        world.leave(address)
    scene.play("reverse → forward → reverse")
    for address, is_flagged in ((IN_LETTERS, True), (IN_ASCII, False)):
        world.wait(60)
        world.join(address)
        scene.play("reverse → forward → reverse")
        assert world.is_flagged(contact(5)) is is_flagged
    assert scene.settle() == []
    assert [world.status(address) for address in (IN_LETTERS, IN_ASCII)] == ["subscribed", "subscribed"]


@pytest.mark.rule("R8")
@pytest.mark.parametrize("rest", ["", " → forward → reverse"])
def test_an_edit_that_is_told_after_forward_moved_the_address_reaches_the_row(world, rest):
    scene = begun(world)
    scene.play(f"Ann writes Cyd → a rep corrects Ann to info@{rest}")
    assert scene.settle() == []
    assert world.row(contact(1))["FirstName"] == "Cyd"


@pytest.mark.rule("R8")
def test_a_row_that_left_somebody_who_was_deleted_for_good_asks_for_no_opt_out_again(world):
    scene = begun(world)
    scene.play("a rep imports NoContact for everybody → an admin deletes Bob for good")
    scene.play("a rep swaps Ann's and Bob's addresses → a rep deletes Ann")
    assert scene.settle() == []
