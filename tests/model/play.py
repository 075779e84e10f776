"""Plays scenes that are written in words: the tables of docs/consent.md and the scenes of these tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opening import Opening, surroundings
from pipelines import FORWARD, REVERSE, Kill
from simulators.mailchimp.people import ImpossibleActError
from truth import Truth
from world import RowName, World, contact, customer, folder_of_process, key_of

PEOPLE: Mapping[str, int] = {"Ann": 1, "Bob": 2, "Eve": 3, "Una": 1001, "Zed": 9}
"""Una is one of another company, in which she has Ann's number."""
MOVED = 1000
DOMAIN = "example.com"
_PERSON = r"(Ann|Bob|Eve|Una)"
_ADDRESS = r"(\w+)@"
_KEPT: dict[str, Opening] = {}
"""By the surroundings, what the first runs in them led to."""


def address_of(word: str) -> str:
    """`ann` or `Ann` → the whole address; one in capitals stays so."""
    return f"{word if word.isupper() else word.lower()}@{DOMAIN}"


@dataclass
class Scene:
    """A world in which Ann and Bob are customers and subscribers, and what is told of it.

    Zed is one too, whom no story names: he must come through untouched.

    Attributes:
        world: In which it plays.
        opening: What its first runs led to, where they need not be made.
        truth: Watches.
        held: Whether webhooks wait instead of arriving before the next reverse run.
        last: The last known address of each person, and the contact of Mailchimp that is the person.
        numbers: The customer of each person.
    """

    world: World
    opening: Opening | None = None
    truth: Truth = field(init=False)
    held: bool = False
    last: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=lambda: dict(PEOPLE))

    def __post_init__(self) -> None:
        self.truth = Truth(self.world)
        if self.opening:
            self.opening.restore(self.world)
        else:
            self._open()
        self.truth.listen()
        for name in ("Ann", "Bob", "Zed"):
            self.last[name] = (address_of(name), "")
            self.at(name)
        self._zed = self._bystander()

    def _open(self) -> None:
        for name in ("Ann", "Bob", "Zed"):
            self.world.person(PEOPLE[name], address_of(name), name)
        self.world.forward()
        self.world.reverse()

    def at(self, name: str) -> str:
        """The present address of a person in Mailchimp, or the last that was known."""
        address, contact_id = self.last[name]
        audience = self.world.vendors.audience()
        member = audience.find(contact_id) if contact_id else audience.find(address)
        if member is None or member.status == "cleaned":
            row = self.world.vendors.row("Customer", key_of(customer(self.numbers[name])))
            member = (audience.find(row["EMailAddress"]) if row else None) or member
        if member is not None:
            self.last[name] = (member.email_address, member.contact_id)
        return self.last[name][0]

    def _bystander(self) -> list[Any]:
        return [self.world.member(self.at("Zed")), *(self.world.row(row) for row in self.rows("Zed"))]

    def play(self, story: str) -> None:
        """Play the steps of a story, which are separated by arrows or semicolons."""
        for step in re.split(r"\s*(?:→|;)\s*", story.strip()):
            self.step(step)

    def step(self, words: str) -> None:
        """Play one step.

        Raises:
            LookupError: Nobody knows these words.
        """
        for pattern, act in STEPS:
            found = re.fullmatch(pattern, words)
            if found:
                act(self, *found.groups())
                self.truth.listen()
                return
        raise LookupError(f"No step is called {words!r}.")

    def arrive(self) -> None:
        """Let webhooks arrive, unless they are held."""
        if not self.held:
            self.world.deliver()

    def settle(self) -> list[str]:
        """Two quiet rounds, then a third one that must write nothing; what is wrong."""
        self.world.settle()
        self.truth.listen()
        self.world.vendors.clear_logs()
        self.world.settle(rounds=1)
        wrong = [f"R8: a third round writes: {write}" for write in self.world.vendors.writes()]
        if self._bystander() != self._zed:
            wrong.append("Zed was touched, whom nobody has named")
        return [*self.truth.complaints(), *wrong]

    def rows(self, who: str) -> list[RowName]:
        """`Ann` (both rows), `Ann's customer`, `Ann's contact` or `Ann's second contact`."""
        name, _, which = who.partition("'s ")
        number = self.numbers[name]
        found = {
            "customer": [customer(number)],
            "contact": [contact(number)],
            "second contact": [contact(number, 2)],
            "": [customer(number), contact(number)],
        }
        return found[which]

    def flag(self, who: str) -> str:
        """`set`, `clear` or `differs` for rows."""
        flags = {self.world.is_flagged(row) for row in self.rows(who)}
        return "differs" if len(flags) > 1 else "set" if flags.pop() else "clear"


def begun(world: World) -> Scene:
    """A scene whose first runs were made in this world, or in one before it that was set up alike.

    Args:
        world: An empty one, set up as the story needs it.
    """
    alike = surroundings(world)
    scene = Scene(world, _KEPT.get(alike))
    if alike and alike not in _KEPT and not world.collect():
        _KEPT[alike] = Opening.of(world, folder_of_process("model-opening-"))
    return scene


def told(world: World, story: str, opening: Opening | None = None) -> list[str]:
    """What is wrong after a story and quiet.

    Args:
        world: An empty one.
        story: In the words of `STEPS`.
        opening: What its first runs led to; that of `begun` without one.
    """
    scene = Scene(world, opening) if opening else begun(world)
    scene.play(story)
    return scene.settle()


def shortened(story: Sequence[str], fails: Callable[[Sequence[str]], bool]) -> Sequence[str]:
    """A story of which no step can be left out without its failure going away.

    Args:
        story: One that fails.
        fails: Plays a story anew.
    """
    at = len(story) - 1
    while at >= 0:
        without = [*story[:at], *story[at + 1 :]]
        if fails(without):
            story = without
        at = min(at - 1, len(story) - 1)
    return story


def _rows_of_all(scene: Scene) -> list[RowName]:
    return [row for row in scene.world.rows() if row not in scene.rows("Zed")]


def _switch(scene: Scene, name: str, choice: str) -> None:
    scene.world.vendors.switch(**{name: {"on": True, "off": False}.get(choice, choice)})


Steps = list[tuple[str, Callable[..., Any]]]


def _edits(columns: Mapping[str, Any]) -> Callable[[Scene, str], None]:
    return lambda scene, who: scene.world.edit(*scene.rows(who), **columns)


def _profile(scene: Scene, name: str, first: str) -> None:
    scene.world.profile(scene.at(name), FNAME=first)


def _moves(scene: Scene, name: str, new: str) -> None:
    scene.world.change_address(scene.at(name), address_of(new))


def _signs_up(scene: Scene, name: str) -> None:
    scene.last[name] = (address_of(name), "")
    scene.world.join(scene.at(name), FNAME=name, LNAME="Example")


def _swap_in_mailchimp(scene: Scene, name: str, other: str) -> None:
    first, second = scene.at(name), scene.at(other)
    if first == second or not (scene.world.member(first) and scene.world.member(second)):
        raise ImpossibleActError("Only two members can swap their addresses.")
    for who, address in ((name, address_of("swap")), (other, first), (name, second)):
        scene.world.change_address(scene.at(who), address)


def _is_corrected(scene: Scene, who: str, new: str) -> None:
    scene.world.edit(*scene.rows(who), EMailAddress=address_of(new))


def _adds(scene: Scene, name: str, word: str) -> None:
    scene.last[name] = (address_of(word), "")
    scene.world.person(scene.numbers[name], address_of(word), name)


def _moves_company(scene: Scene, name: str) -> None:
    number = scene.numbers[name]
    scene.numbers[name] = (number + MOVED) % (2 * MOVED) + 10
    scene.world.move_company(number, scene.numbers[name])


def _merges(scene: Scene, name: str, into: str, deletes: str | None) -> None:
    """The contacts of one are the other's from now on; a story calls them by no name any more."""
    scene.world.merge(scene.numbers[name], scene.numbers[into], deletes=bool(deletes))


def _meanwhile(scene: Scene, pipeline: str, write: str | None, at_once: str | None, words: str) -> None:
    """A run at which a step is made while it writes."""

    def step() -> None:
        scene.world.stands_still = bool(at_once)
        try:
            scene.step(words)
        except ImpossibleActError:
            pass  # then nothing happens, and the run goes on
        finally:
            scene.world.stands_still = False

    scene.arrive()
    kill = Kill(int(write)) if write else scene.world.after_a_write()
    scene.world.run(FORWARD if pipeline == "forward" else REVERSE, replace(kill, meanwhile=step))


def _swap(scene: Scene) -> None:
    scene.world.swap(scene.numbers["Ann"], scene.numbers["Bob"])


def _begin_anew(scene: Scene, pipeline: str) -> None:
    scene.world.begin_anew(FORWARD if pipeline == "forward" else REVERSE)


def _cut_short(scene: Scene, pipeline: str) -> None:
    scene.arrive()
    scene.world.cut_short(FORWARD if pipeline == "forward" else REVERSE)


def _sign(scene: Scene) -> None:
    scene.world.signed = True


def _hold(scene: Scene) -> None:
    scene.held = True


def _arrive(scene: Scene, order: str | None) -> None:
    scene.held = False
    scene.world.deliver("reversed" if order else "as told")


def _reverse(scene: Scene) -> None:
    scene.arrive()
    scene.world.reverse()


def _killed(scene: Scene, pipeline: str, write: str | None) -> None:
    scene.arrive()
    kill = Kill(int(write)) if write else scene.world.after_a_write()
    scene.world.run(FORWARD if pipeline == "forward" else REVERSE, kill)


def _lose_audit_database(scene: Scene) -> None:
    scene.world.lose_audit_database()
    scene.truth.forget()


def _restore_audit_database(scene: Scene) -> None:
    scene.world.restore()
    scene.truth.forget()


def _lose_all(scene: Scene) -> None:
    scene.world.lose()


def _skew(scene: Scene, whose: str, hours: str) -> None:
    seconds = float(hours) * 3600
    if whose == "receiver":
        scene.world.receiver_skew = seconds
    else:
        scene.world.set_clocks(seconds)


STEPS: Steps = [
    ("forward", lambda scene: scene.world.forward()),
    ("reverse", _reverse),
    ("forward begins", lambda scene: scene.world.begin(FORWARD)),
    ("forward ends", lambda scene: scene.world.finish(FORWARD)),
    ("reverse begins", lambda scene: scene.world.begin(REVERSE)),
    ("reverse ends", lambda scene: scene.world.finish(REVERSE)),
    (r"(forward|reverse) is killed (?:at write (\d+)|after its first write)", _killed),
    ("forward starts from an older bookmark", lambda scene: scene.world.restore_bookmark(FORWARD)),
    ("reverse starts from an older bookmark", lambda scene: scene.world.restore_bookmark(REVERSE)),
    ("(forward|reverse) starts without a bookmark", _begin_anew),
    ("the tap of (forward|reverse) breaks off", _cut_short),
    (
        "(Kinetic|Mailchimp) (takes|refuses) a write with an error",
        lambda scene, vendor, verb: scene.world.disturb(vendor, applied=verb == "takes"),
    ),
    ("the inbox is lost", lambda scene: scene.world.lose_inbox()),
    (r"Mailchimp's (\w+) is (\w+)", _switch),
    ("Epicor wins conflicts", lambda scene: scene.world.let_epicor_win()),
    (
        r"(forward|reverse), and (?:before its write (\d+)|after its first write)( at once)?: (.+)",
        _meanwhile,
    ),
    ("the audit database is lost", _lose_audit_database),
    ("the audit database is backed up", lambda scene: scene.world.back_up()),
    ("the audit database is restored", _restore_audit_database),
    ("webhooks are signed", _sign),
    ("webhooks are held", _hold),
    ("webhooks arrive( reversed)?", _arrive),
    ("the oldest webhook arrives", lambda scene: scene.world.deliver("first")),
    ("webhooks arrive twice", lambda scene: scene.world.deliver(times=2)),
    ("webhooks are lost", _lose_all),
    ("the receiver is down", lambda scene: scene.world.bring_down()),
    (
        "the receiver is up again( too late)?",
        lambda scene, late: scene.world.bring_up(in_time=not late),
    ),
    (r"the (receiver|pipelines)'s? clocks? (?:is|are) off by (-?\d+) h", _skew),
    (rf"{_PERSON} signs up", _signs_up),
    (rf"{_PERSON} and {_PERSON} swap their addresses in Mailchimp", _swap_in_mailchimp),
    (rf"{_PERSON} leaves", lambda scene, name: scene.world.leave(scene.at(name))),
    (
        rf"{_PERSON} leaves the second audience",
        lambda scene, name: scene.world.leave(scene.at(name), scene.world.vendors.second),
    ),
    (
        rf"{_PERSON} joins the second audience",
        lambda scene, name: scene.world.join(scene.at(name), scene.world.vendors.second),
    ),
    (rf"{_PERSON} returns", lambda scene, name: scene.world.join(scene.at(name))),
    (
        rf"{_PERSON} returns, told as profile",
        lambda scene, name: scene.world.join(scene.at(name), told="profile"),
    ),
    (
        rf"{_PERSON} returns as (\w+)",
        lambda scene, name, first: scene.world.join(scene.at(name), FNAME=first, LNAME="Example"),
    ),
    (rf"{_PERSON} complains", lambda scene, name: scene.world.complain(scene.at(name))),
    (rf"{_PERSON} bounces", lambda scene, name: scene.world.bounce(scene.at(name))),
    (rf"{_PERSON} moves to {_ADDRESS}", _moves),
    (rf"{_PERSON} writes (\w+)", _profile),
    (
        rf"{_PERSON} writes company (\w+)",
        lambda scene, name, value: scene.world.profile(scene.at(name), COMPANY=value),
    ),
    (rf"an admin archives {_PERSON}", lambda scene, name: scene.world.act("archive", scene.at(name))),
    (
        rf"an admin deletes {_PERSON} for good",
        lambda scene, name: scene.world.act("delete_permanently", scene.at(name)),
    ),
    (
        rf"an admin unsubscribes {_PERSON}",
        lambda scene, name: scene.world.leave(scene.at(name), by="admin"),
    ),
    (r"a rep flags (\w+(?:'s [a-z ]+)?)", _edits({"NoContact": True})),
    (r"a rep clears (\w+(?:'s [a-z ]+)?)", _edits({"NoContact": False})),
    (
        r"a rep writes (\w+) for (\w+'s (?:second )?contact)",
        lambda scene, first, who: scene.world.edit(*scene.rows(who), FirstName=first),
    ),
    (
        r"a rep writes company (\w+) for (\w+'s customer)",
        lambda scene, value, who: scene.world.edit(*scene.rows(who), Name=value),
    ),
    (
        r"a rep writes phone (\d+) for (\w+'s customer)",
        lambda scene, value, who: scene.world.edit(*scene.rows(who), PhoneNum=value),
    ),
    (rf"a rep corrects (\w+(?:'s [a-z ]+)?) to {_ADDRESS}", _is_corrected),
    ("a rep swaps Ann's and Bob's addresses", _swap),
    (rf"a rep adds {_PERSON} with {_ADDRESS}", _adds),
    (rf"a rep moves {_PERSON} to the other company", _moves_company),
    (rf"a rep merges {_PERSON} into {_PERSON}( and deletes the rest)?", _merges),
    (
        "a rep imports NoContact for everybody",
        lambda scene: scene.world.edit(*_rows_of_all(scene), NoContact=True),
    ),
    (
        rf"a rep adds a second contact (\w+) to {_PERSON} with {_ADDRESS}",
        lambda scene, name, to, word: scene.world.colleague(scene.numbers[to], address_of(word), name),
    ),
    (rf"a rep deletes {_PERSON}", lambda scene, name: scene.world.remove(scene.numbers[name])),
    (
        rf"a rep makes {_PERSON} (in)?active",
        lambda scene, name, end: scene.world.edit(customer(scene.numbers[name]), Inactive=bool(end)),
    ),
]
