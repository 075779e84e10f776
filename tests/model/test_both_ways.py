"""Random stories: people, reps, mail servers, late webhooks and broken runs; then quiet, then the truth.

A failure tells the story in the words of `play.py`, so that it becomes a named scene as it stands.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from opening import Opening
from play import Scene, shortened, told
from simulators.epicor.errors import EpicorError
from simulators.mailchimp.people import ImpossibleActError
from vendors import Vendors
from world import RUNS_AS, World

SEQUENCES = int(os.environ.get("MODEL_SEQUENCES", "0"))
SECONDS = float(os.environ.get("MODEL_SECONDS", "3000"))
STORIES = os.environ.get("MODEL_STORIES", "")
"""A file that gets a line for each story once it was played to its end."""
PARTS, MOST = 8, 10**6
IN_A_TEST_RUN, STEPS = 20, 12

NAMES = st.sampled_from(["Ann", "Bob", "Eve", "Una"])
ROWS = st.sampled_from(
    [f"{name}{which}" for name in ("Ann", "Bob", "Eve", "Una") for which in ("", "'s customer", "'s contact")]
)
CONTACTS = st.sampled_from([f"{name}'s contact" for name in ("Ann", "Bob", "Eve", "Una")])
FIRST = st.sampled_from(["Ann", "Bea", "Cyd"])
COMPANIES = st.sampled_from(["Acme", "Best"])
WORDS = st.sampled_from(["ann", "ANN", "bob", "anna", "info"])
PIPELINES = st.sampled_from(["forward", "reverse"])
MAILCHIMPS = [
    "Mailchimp's complaint_fires is cleaned",
    "Mailchimp's archive_fires is nothing",
    "Mailchimp's upemail_before_profile is off",
    "Mailchimp's omit_unsubscribe_action is on",
    "Mailchimp's merge_fields_shown is filled",
]
"""Unconfirmed behaviours that are not the simulator's defaults."""
NEWS = {
    "forward": [
        "a rep flags {}",
        "a rep clears {}",
        "a rep writes Bea for {}'s contact",
        "a rep corrects {} to info@",
    ],
    "reverse": ["{} leaves", "{} returns", "{} writes Cyd", "{} moves to anna@"],
}
"""What gives a pipeline something to write: without it, few come to where they are killed."""
WHICH_NEWS = st.sampled_from([None, 0, 1, 2, 3])


class BothWays(RuleBasedStateMachine):
    """Plays random steps."""

    vendors: Vendors
    folder: Path
    opening: Opening | None
    ends_at: float
    numbers = itertools.count()
    stories: Iterator[int]
    known: ClassVar[dict[tuple[str, ...], str]] = {}

    def __init__(self) -> None:
        super().__init__()
        # The first story is always the simplest: one step again and again.
        is_simplest = next(self.stories) == 0
        self.is_over = not self.known and (is_simplest or time.monotonic() > self.ends_at)
        self.story: list[str] = []
        self.here = self.folder / str(next(self.numbers))
        if not self.is_over:
            self.here.mkdir()
            self.scene = Scene(World(self.vendors, self.here), self.opening)

    def say(self, words: str, *needs: str) -> None:
        """Play a step, unless it is impossible now.

        Args:
            words: Of the step.
            needs: People, or rows of theirs, that must be there.
        """
        if self.is_over:
            return
        if not all(map(self.is_there, needs)) or self.story[-2:] == [words, words]:
            return
        try:
            self.scene.step(words)
        except ImpossibleActError:
            return
        except BaseException as error:
            error.add_note(f"The story: {' → '.join([*self.story, words])}")
            raise
        self.story.append(words)

    def is_there(self, who: str) -> bool:
        """Tell whether Epicor has the rows of a person."""
        return {*self.scene.rows(who)} <= {*self.scene.world.rows()}

    def teardown(self) -> None:
        if self.is_over:
            return
        if tuple(self.story) in self.known:
            pytest.fail(self.known[tuple(self.story)], pytrace=False)
        wrong = self.scene.settle()
        shutil.rmtree(self.here)
        if STORIES:
            with Path(STORIES).open("a", encoding="utf-8") as file:
                file.write(f"{' → '.join(self.story)}\n")
        if wrong:
            pytest.fail(self.counter_example(wrong), pytrace=False)

    def counter_example(self, wrong: list[str]) -> str:
        """The shortest story that goes wrong in the same way, as a test."""
        if tuple(self.story) not in self.known:
            kind = wrong[0].partition(":")[0]

            def fails(story: Sequence[str]) -> bool:
                found = self._told(story)
                if any(complaint.startswith(kind) for complaint in found):
                    wrong[:] = found
                    return True
                return False

            story = " → ".join(shortened(self.story, fails))
            comments = "".join(f"    # {complaint}\n" for complaint in wrong)
            profile = self.vendors.kinetic.profile
            self.known[tuple(self.story)] = (
                f"# In a tenant of the profile {profile}.\n"
                f"def test_…(world: World) -> None:\n{comments}    assert told(world, {story!r}) == []\n"
            )
        return self.known[tuple(self.story)]

    def _told(self, story: Sequence[str]) -> list[str]:
        here = self.folder / str(next(self.numbers))
        here.mkdir()
        try:
            world = World(self.vendors, here, runs_as="")
            return told(world, " → ".join(story), self.opening) if story else []
        except (ImpossibleActError, EpicorError, KeyError, AssertionError, OSError):
            return []  # without the step that was left out, another is impossible
        finally:
            shutil.rmtree(here)

    # The kind of tenant

    @initialize(
        policy=st.sampled_from(["", "", "Epicor wins conflicts"]),
        webhooks=st.sampled_from(["", "", "webhooks are signed"]),
        switch=st.sampled_from(["", "", "", *MAILCHIMPS]),
    )
    def tenant(self, policy: str, webhooks: str, switch: str) -> None:
        for words in filter(None, (policy, webhooks, switch)):
            self.say(words)

    # People in Mailchimp

    @rule(name=NAMES, verb=st.sampled_from(["leaves", "leaves", "complains", "bounces"]))
    def opts_out(self, name: str, verb: str) -> None:
        if name in self.scene_people():
            self.say(f"{name} {verb}")

    @rule(name=NAMES)
    def signs_up(self, name: str) -> None:
        if not self.is_over and name not in self.scene.last:
            self.say(f"{name} signs up")

    @rule(name=NAMES, how=st.sampled_from(["", ", told as profile", " as Cyd", " as Ann"]))
    def returns(self, name: str, how: str) -> None:
        if name in self.scene_people():
            self.say(f"{name} returns{how}")

    @rule(name=NAMES, verb=st.sampled_from(["joins", "leaves"]))
    def second_audience(self, name: str, verb: str) -> None:
        if name in self.scene_people():
            self.say(f"{name} {verb} the second audience")

    @rule(name=NAMES, what=st.one_of(FIRST, COMPANIES.map("company {}".format)))
    def edits_profile(self, name: str, what: str) -> None:
        if name in self.scene_people():
            self.say(f"{name} writes {what}")

    @rule(name=NAMES, word=WORDS)
    def changes_address(self, name: str, word: str) -> None:
        if name in self.scene_people():
            self.say(f"{name} moves to {word}@")

    @rule(name=NAMES, other=NAMES)
    def swap_in_mailchimp(self, name: str, other: str) -> None:
        if name != other and {name, other} <= self.scene_people():
            self.say(f"{name} and {other} swap their addresses in Mailchimp")

    @rule(name=NAMES, verb=st.sampled_from(["archives {}", "deletes {} for good", "unsubscribes {}"]))
    def admin(self, name: str, verb: str) -> None:
        if name in self.scene_people():
            self.say(f"an admin {verb.format(name)}")

    # Reps in Epicor

    @rule(who=ROWS, verb=st.sampled_from(["flags", "clears"]))
    def wishes(self, who: str, verb: str) -> None:
        self.say(f"a rep {verb} {who}", who)

    @rule(who=CONTACTS, first=FIRST)
    def rep_edits_name(self, who: str, first: str) -> None:
        self.say(f"a rep writes {first} for {who}", who)

    @rule(name=NAMES, what=st.sampled_from(["company Acme", "company Best", "phone 5551", "phone 5552"]))
    def rep_edits_customer(self, name: str, what: str) -> None:
        self.say(f"a rep writes {what} for {name}'s customer", f"{name}'s customer")

    @rule(who=ROWS, word=WORDS)
    def corrects(self, who: str, word: str) -> None:
        self.say(f"a rep corrects {who} to {word}@", who)

    @rule(name=NAMES, word=WORDS)
    def adds(self, name: str, word: str) -> None:
        if not (self.is_over or self.is_there(f"{name}'s customer")):
            self.say(f"a rep adds {name} with {word}@")

    @rule(name=NAMES, word=WORDS)
    def adds_colleague(self, name: str, word: str) -> None:
        if not self.is_over and not self.is_there(f"{name}'s second contact"):
            self.say(f"a rep adds a second contact Zoe to {name} with {word}@", f"{name}'s customer")

    @rule(
        name=NAMES,
        verb=st.sampled_from(
            ["deletes {}", "makes {} inactive", "makes {} active", "moves {} to the other company"]
        ),
    )
    def rep_does(self, name: str, verb: str) -> None:
        self.say(f"a rep {verb.format(name)}", name)

    @rule(verb=st.sampled_from(["swaps Ann's and Bob's addresses", "imports NoContact for everybody"]))
    def rep_does_to_several(self, verb: str) -> None:
        self.say(f"a rep {verb}", "Ann", "Bob")

    @rule(name=NAMES, into=NAMES, end=st.sampled_from(["", " and deletes the rest"]))
    def merges(self, name: str, into: str, end: str) -> None:
        if name != into:
            self.say(f"a rep merges {name} into {into}{end}", name, f"{into}'s customer")

    # Webhooks

    @rule(
        what=st.sampled_from(
            [
                "webhooks are held",
                "webhooks are held",
                "webhooks arrive",
                "webhooks arrive reversed",
                "webhooks arrive reversed",
                "webhooks arrive twice",
                "the oldest webhook arrives",
                "webhooks are lost",
            ]
        )
    )
    def webhooks(self, what: str) -> None:
        self.say(what)

    @rule(what=st.sampled_from(["is down", "is up again", "is up again too late"]))
    def receiver(self, what: str) -> None:
        if not self.is_over and self.scene.world.is_down is (what != "is down"):
            self.say(f"the receiver {what}")

    # Runs

    @rule()
    def runs_forward(self) -> None:
        self.run_to_the_end("forward")

    @rule()
    def runs_reverse(self) -> None:
        self.run_to_the_end("reverse")

    @rule(order=st.permutations(["forward", "reverse"]))
    def runs_both(self, order: list[str]) -> None:
        for pipeline in order:
            self.run_to_the_end(pipeline)

    def run_to_the_end(self, pipeline: str) -> None:
        """Run a pipeline that is not at work."""
        if not self.is_over and pipeline not in self.scene.world.begun:
            self.say(pipeline)

    @rule(pipeline=PIPELINES)
    def begins_or_ends(self, pipeline: str) -> None:
        if not self.is_over:
            self.say(f"{pipeline} {'ends' if pipeline in self.scene.world.begun else 'begins'}")

    def tells(self, pipeline: str, name: str, which: int | None) -> bool:
        """Tell a pipeline that is not at work something new; False where it is."""
        if self.is_over or pipeline in self.scene.world.begun:
            return False
        if which is not None and name in self.scene.last:
            words = NEWS[pipeline][which].format(name)
            self.say(words, *([name] if "rep" in words else []))
        return True

    @rule(pipeline=PIPELINES, name=NAMES, news=WHICH_NEWS)
    def breaks_off(self, pipeline: str, name: str, news: int | None) -> None:
        if self.tells(pipeline, name, news):
            self.say(f"the tap of {pipeline} breaks off")

    @rule(vendor=st.sampled_from(["Kinetic", "Mailchimp"]), verb=st.sampled_from(["takes", "refuses"]))
    def is_disturbed(self, vendor: str, verb: str) -> None:
        self.say(f"{vendor} {verb} a write with an error")

    @rule(
        pipeline=PIPELINES,
        when=st.sampled_from(["after its first write", "at write 1", "at write 2"]),
        name=NAMES,
        news=WHICH_NEWS,
    )
    def is_killed(self, pipeline: str, when: str, name: str, news: int | None) -> None:
        if self.tells(pipeline, name, news):
            self.say(f"{pipeline} is killed {when}")

    @rule(
        pipeline=PIPELINES,
        when=st.sampled_from(["after its first write", "before its write 1", "before its write 2"]),
        how=st.sampled_from(["", "", " at once"]),
        name=NAMES,
        news=WHICH_NEWS,
        what=st.sampled_from(
            [
                "{name} leaves",
                "{name} returns",
                "{name} writes Cyd",
                "{name} writes Ann",
                "a rep flags {name}",
                "a rep clears {name}",
                "a rep writes Bea for {name}'s contact",
                "the pipelines' clocks are off by 2 h",
                "the pipelines' clocks are off by -2 h",
                "{other}",
                "{other}",
            ]
        ),
    )
    def is_interrupted(
        self, pipeline: str, when: str, how: str, name: str, news: int | None, what: str
    ) -> None:
        if name not in self.scene_people() or not self.tells(pipeline, name, news):
            return
        other = "reverse" if pipeline == "forward" else "forward"
        if what == "{other}" and other in self.scene.world.begun:
            return
        words = what.format(name=name, other=other)
        self.say(f"{pipeline}, and {when}{how}: {words}", *([name] if "rep" in what else []))

    @rule(
        what=st.sampled_from(
            [
                "forward starts from an older bookmark",
                "reverse starts from an older bookmark",
                "forward starts without a bookmark",
                "reverse starts without a bookmark",
                "the inbox is lost",
                "the audit database is lost",
                "the audit database is backed up",
                "the audit database is restored",
            ]
        )
    )
    def breaks(self, what: str) -> None:
        if self.is_over or (what == "the inbox is lost" and "reverse" in self.scene.world.begun):
            return  # a bookmark of another inbox is refused
        if what != "the audit database is restored" or self.scene.world.backup.exists():
            self.say(what)

    @rule(
        whose=st.sampled_from(["receiver's clock is", "pipelines' clocks are"]),
        hours=st.sampled_from([2, -2, 0]),
    )
    def clocks(self, whose: str, hours: int) -> None:
        self.say(f"the {whose} off by {hours} h")

    def scene_people(self) -> set[str]:
        """Who has an address in Mailchimp, as far as the story knows."""
        return set() if self.is_over else set(self.scene.last)


# A story is shortened word by word, which takes fewer runs. What a test run finds must not depend on the day:
# a seed tells the story.
SETTINGS = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    stateful_step_count=2 * STEPS if SEQUENCES and not RUNS_AS else STEPS,
    # The simplest story, which is not played, and one more: further ones would be mutations of that.
    max_examples=2,
    database=None,
    print_blob=False,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


def _opening(vendors: Vendors, folder: Path) -> Opening:
    (folder / "kept").mkdir(parents=True)
    return Opening.of(Scene(World(vendors, folder)).world, folder / "kept")


@pytest.mark.rule("R1")
@pytest.mark.rule("R2")
@pytest.mark.rule("R6")
@pytest.mark.rule("R7")
@pytest.mark.rule("R8")
@pytest.mark.parametrize("part", range(PARTS if SEQUENCES else 1))
def test_both_sides_tell_one_truth_after_any_story(
    part: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    class Machine(BothWays):
        """The machine with what it needs."""

    Machine.vendors = request.getfixturevalue("stock" if part % 2 else "vendors")
    Machine.folder = tmp_path
    Machine.opening = None if RUNS_AS else _opening(Machine.vendors, tmp_path / "opening")
    # The parts share the time, as many at once as there are workers.
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    Machine.ends_at = time.monotonic() + SECONDS * min(workers, PARTS) / (PARTS if SEQUENCES else 1)
    count = -(-SEQUENCES // PARTS) if SEQUENCES else IN_A_TEST_RUN
    first = int(os.environ.get("MODEL_SEED", "0")) * MOST + part * count
    for number in range(first, first + count):
        Machine.stories = itertools.count()
        run_state_machine_as_test(seed(number)(Machine), settings=SETTINGS)
