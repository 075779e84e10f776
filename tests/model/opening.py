"""The first act of a story, played once: later ones that are set up alike begin with a copy of its end."""

from __future__ import annotations

import contextlib
import copy
import itertools
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pipelines
from simulators.epicor.store import Saved
from simulators.mailchimp.model import Audience
from vendors import Step, Vendors
from world import Said, World

OF_ONE_WORLD = frozenset({"vendors", "folder", "_runner"})
"""Attributes of a world on which its first runs do not depend, or by something else that is looked at."""


@dataclass(frozen=True)
class Opening:
    """A world after its first runs, with everything that the vendors, the pipelines and the story have of it.

    Attributes:
        folder: Where the databases lie.
        now: The time of its end.
        kinetic: The rows.
        audiences: Of Mailchimp, by id.
        numbers: By audience, the next one that it gives.
        web_id: The next one that the account gives.
        history: Of standings in Mailchimp.
        story: What was said.
        states: Of the pipelines.
    """

    folder: Path
    now: float
    kinetic: Saved
    audiences: Mapping[str, Audience]
    numbers: Mapping[str, int]
    web_id: int
    history: tuple[Step, ...]
    story: tuple[Said, ...]
    states: dict[str, list[dict[str, Any]]] = field(repr=False)

    @classmethod
    def of(cls, world: World, folder: Path) -> Opening:
        """Keep a copy of a world that no webhook has been told of.

        Args:
            world: After its first runs.
            folder: An empty one for the databases.
        """
        assert not world.collect()
        for file in (world.audit, world.inbox):
            with (
                contextlib.closing(sqlite3.connect(file)) as source,
                contextlib.closing(sqlite3.connect(folder / file.name)) as target,
            ):
                source.backup(target)
        vendors = world.vendors
        account = vendors.mailchimp.account
        made = cls(
            folder,
            vendors.clock.now,
            vendors.kinetic.store.saved(),
            _copied(account.audiences),
            {name: next(audience.numbers) for name, audience in account.audiences.items()},
            next(account.web_ids),
            tuple(vendors.history),
            tuple(world.story),
            copy.deepcopy(world.states),
        )
        made._count(vendors)
        return made

    def restore(self, world: World) -> None:
        """Put a world that is still empty where this one was."""
        vendors = world.vendors
        vendors.clock.now = self.now
        vendors.kinetic.store.restore(self.kinetic)
        vendors.mailchimp.account.audiences = _copied(self.audiences)
        self._count(vendors)
        vendors.history[:] = self.history
        world.story[:] = self.story
        world.states = copy.deepcopy(self.states)
        for file in (world.audit, world.inbox):
            shutil.copy(self.folder / file.name, file)

    def _count(self, vendors: Vendors) -> None:
        account = vendors.mailchimp.account
        account.web_ids = itertools.count(self.web_id)
        for name, audience in account.audiences.items():
            audience.numbers = itertools.count(self.numbers[name])


def surroundings(world: World) -> str:
    """All that the first runs in a world depend on, as a text; empty where they are none to copy.

    Args:
        world: Before its first runs.
    """
    vendors, account = world.vendors, world.vendors.mailchimp.account
    plans = (vendors.kinetic.plan.rules, vendors.mailchimp.plan.rules)
    if world.runs_as or world.story or world.rows() or any(plans):
        return ""
    vendor = (vendors.kinetic_hello, vendors.kinetic.switches, account.switches, account.audiences)
    given = {name: value for name, value in vars(world).items() if name not in OF_ONE_WORLD}
    return repr((vendor, given, pipelines.PLUGINS, pipelines.MAPPINGS))


def _copied(audiences: Mapping[str, Audience]) -> dict[str, Audience]:
    """A copy of all but the counters, which Python is going to let nobody copy."""
    memo = {id(audience.numbers): audience.numbers for audience in audiences.values()}
    return copy.deepcopy(dict(audiences), memo)
