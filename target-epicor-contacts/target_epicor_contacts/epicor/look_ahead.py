"""A look-up that is begun before it is needed, while something else is awaited."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Final

from target_epicor_contacts.epicor.entities import EpicorRow

USABLE_SECONDS: Final = 5.0
"""An older answer is asked for again: a row may have changed since then."""


@dataclass(frozen=True)
class LookUp:
    """The answer about some addresses.

    Attributes:
        found: Ids of their rows, by address.
        rows: The rows by id.
    """

    found: Mapping[str, frozenset[str]]
    rows: Mapping[str, EpicorRow]


class LookAhead:
    """Looks addresses up in a thread of its own. It only reads: an answer that nobody takes changes nothing.

    Args:
        addresses: Those to ask for.
        look_up: Asks for them.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        look_up: Callable[[Sequence[str]], LookUp],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = addresses
        self._look_up = look_up
        self._clock = clock
        self._usable_until = clock() + USABLE_SECONDS
        self._answer: Future[LookUp] = Future()
        Thread(target=self._ask, name="look-ahead", daemon=True).start()

    def _ask(self) -> None:
        try:
            self._answer.set_result(self._look_up(self._addresses))
        except Exception as error:  # noqa: BLE001 (raised where the answer is taken)
            self._answer.set_exception(error)

    def answer_about(self, addresses: Iterable[str]) -> LookUp | None:
        """The answer, where it is of late and about all of these addresses.

        Raises:
            ConnectorError: Kinetic does not answer, after all attempts.
        """
        if not frozenset(self._addresses).issuperset(addresses):
            return None
        answer = self._answer.result()
        return answer if self._clock() < self._usable_until else None
