"""What must be true after quiet: a small reference model of consent and of names, on its own.

It knows what people and reps have done and what both vendors show, and nothing of the plugins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from simulators.mailchimp.consent import OPTED_OUT, Standing
from world import RowName, Said, World

SAYS = {
    "unsubscribe": "out",
    "complain": "out",
    "bounce": "bounce",
    "subscribe": "in",
    "delete_permanently": "out",
    "archive": "silent",
}
NAME = "FirstName"


@dataclass(frozen=True)
class Word:
    """What a person said last, or what an address turned out to be: `in`, `out`, `bounce` or `silent`."""

    says: str
    at: float


@dataclass
class Name:
    """A contact's first name since both sides had the same.

    Attributes:
        agreed: What both had; None where they never had the same.
        rep: What the rep has written since, in order.
        person: What the person has written since.
    """

    agreed: str | None = None
    rep: list[str] = field(default_factory=list)
    person: list[str] = field(default_factory=list)

    def expected(self) -> str | None:
        """What both must show; None where more than one answer is right."""
        if self.agreed is None or (self.rep and len(self.person) > 1):
            return None
        if self.person and self.person[-1] != self.agreed:
            return self.person[-1]
        return self.rep[-1] if self.rep else self.agreed


@dataclass
class Truth:
    """Everything that people and reps have said so far, and what follows.

    Attributes:
        words: The last word about each address of an audience.
        wishes: The rows that a rep has flagged, with the time.
        wished: When a rep last wished, or withdrew a wish, about an address.
        cleared: When a rep last took the flag of a row away.
        inherited: Addresses that a person's opt-out followed to, with the address that it came from.
        left: Addresses that people gave up in Mailchimp, by the one that they took instead, until a run has
            seen their rows follow.
        came: When a rep gave a row its present address.
        ran: When a run ended last: what came and went between two runs, nobody has seen.
        tangled: Addresses of which more than one answer is right: only safety is asked of them.
        unread: Rows that did not change since the audit database was lost: no run reads them by itself.
        overwritten: Customers whose company a person has written in Mailchimp, where it is not theirs.
    """

    world: World
    words: dict[tuple[str, str], Word] = field(default_factory=dict)
    wishes: dict[RowName, float] = field(default_factory=dict)
    wished: dict[str, float] = field(default_factory=dict)
    cleared: dict[RowName, float] = field(default_factory=dict)
    inherited: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    came: dict[RowName, float] = field(default_factory=dict)
    ran: float = 0
    tangled: set[str] = field(default_factory=set)
    unread: set[RowName] = field(default_factory=set)
    overwritten: set[RowName] = field(default_factory=set)
    names: dict[RowName, Name] = field(default_factory=dict)
    _followed: set[str] = field(default_factory=set)
    _heard: int = 0
    _steps: int = 0
    faults: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Take in what was said since the last time, and look at every step that was made meanwhile."""
        for said in self.world.story[self._heard :]:
            self._look_at_steps(said.at)
            self._hear(said)
        self._heard = len(self.world.story)
        self._look_at_steps(float("inf"))

    def forget(self) -> None:
        """Expect no more than what the vendors can tell: the audit database is lost, or an old one.

        A flag that nothing explains any more is a rep's wish.
        """
        self.listen()
        self.wishes |= {row: 0.0 for row in self.world.rows() if self.world.is_flagged(row)} | self.wishes
        self.tangled |= {*self.wished, *self.inherited}
        self.inherited.clear()
        self.names.clear()
        self.unread = set(self.world.rows())

    # What was said

    def _hear(self, said: Said) -> None:
        if said.what == "run":
            self.ran = said.at
            self._agree(said)
            self._forget_left()
        elif said.row is not None:
            self._hear_rep(said, said.row)
        else:
            self._hear_person(said)

    def _hear_person(self, said: Said) -> None:
        address = said.address.lower()
        at = (said.list_id, address)
        if said.what == "change_address":
            self._follow(said, address, said.details["new_email"].lower())
            return
        if said.what in SAYS:
            if said.what in ("archive", "delete_permanently"):
                self.tangled.add(address)
                before = self.words.get(at)
                if before and before.says == "out":
                    return
            self.words[at] = Word(SAYS[said.what], said.at)
            if SAYS[said.what] in ("out", "bounce"):
                self._doubt_left(address)
        if said.what == "subscribe":
            # Whose opt-out followed from here to another address has come back: nothing tells whom it was.
            followed = {new for new, former in self.inherited.items() if former == address}
            self.tangled |= followed
            self.inherited = {new: former for new, former in self.inherited.items() if new not in followed}
        self._hear_fields(said, address)

    def _hear_fields(self, said: Said, address: str) -> None:
        written = said.details.get("merge_fields", {})
        name = written.get("FNAME")
        if "COMPANY" in written:
            self.overwritten |= {row for row in self._rows_at(address) if row[0] == "Customer"}
        for row in self._rows_at(address):
            if said.what == "subscribe":
                # A form may bring another name, to a contact that may be a new one.
                self.names.pop(row, None)
            elif name and row in self.names:
                self.names[row].person.append(name)

    def _follow(self, said: Said, address: str, new: str) -> None:
        if new == address:
            return
        self.left[new] = address
        self._followed.discard(new)
        if address in self.wished:
            self.wished[new] = max(self.wished[address], self.wished.get(new, 0.0))
        # What is known at either address may be about two people from now on.
        is_doubtful = address in self.tangled or address in self.inherited
        if is_doubtful or self._word(new) or self._rows_at(new) or self._word(address):
            self.tangled |= {address, new}
        word = self.words.pop((said.list_id, address), None)
        if word:
            self.words[said.list_id, new] = word
        for row in self._rows_at(address):
            self.names.pop(row, None)

    def _doubt_left(self, address: str) -> None:
        """Nobody can tell an opt-out after a move from one before it, as long as no run has seen the move.

        Whoever gets the address that was given up may then be kept out: an opt-out first.
        """
        while (former := self.left.pop(address, None)) is not None:
            self.tangled.add(former)
            address = former

    def _forget_left(self) -> None:
        """A run lets rows follow, the next one sees it."""
        self.left = {new: former for new, former in self.left.items() if new not in self._followed}
        self._followed = {new for new, former in self.left.items() if not self._rows_at(former)}

    def _hear_rep(self, said: Said, row: RowName) -> None:
        self.unread.discard(row)
        if said.what == "remove":
            self.tangled.add(said.before["EMailAddress"].lower())
            self.wishes.pop(row, None)
            self.names.pop(row, None)
            return
        if said.what == "insert":
            self.came[row] = said.at
            return
        before, after = said.before, said.details
        address = before["EMailAddress"].lower()
        if "NoContact" in after and after["NoContact"] != before["NoContact"]:
            self.wished[address] = said.at
            if after["NoContact"]:
                if self.cleared.get(row, 0.0) > self.ran:
                    # No run has seen the row without its flag.
                    self.tangled.add(address)
                self.wishes[row] = said.at
            else:
                self.cleared[row] = said.at
                if self.wishes.pop(row, None) is None:
                    # The rep took away what the person had said, or what another rep's wish had caused.
                    self.tangled.add(address)
        if "EMailAddress" in after and after["EMailAddress"].lower() != address:
            self._move(row, address, after["EMailAddress"].lower(), said.at)
        if after.get(NAME, before.get(NAME)) != before.get(NAME) and row in self.names:
            self.names[row].rep.append(after[NAME])
        if after.get("Inactive"):
            self.tangled.add(address)

    def _move(self, row: RowName, address: str, new: str, at: float) -> None:
        self.names.pop(row, None)
        word = self._word(address)
        came, self.came[row] = self.came.get(row, 0.0), at
        if (word and word.says == "out") or address in self.inherited:
            if came < self.ran:
                self.inherited[new] = address
            elif word and came <= word.at:
                # Only a run that was reading just then has seen the row here.
                self.tangled.add(new)
        if self._word(new) or address in self.tangled or row in self.wishes or self.world.member(new):
            self.tangled.add(new)
        if len(self._rows_at(new)) > 2 or address in self.wished:
            self.tangled.add(new)
        self.tangled.add(address)

    def _word(self, address: str) -> Word | None:
        found = [word for (_, about), word in self.words.items() if about == address]
        return max(found, key=lambda word: word.at) if found else None

    def _rows_at(self, address: str) -> list[RowName]:
        return [
            row for row in self.world.rows() if self.world.row(row)["EMailAddress"].lower() == address.lower()
        ]

    def _agree(self, said: Said) -> None:
        for row, (ours, theirs) in said.details.items():
            if ours == theirs:
                self.names[row] = Name(agreed=ours)

    # Safety, at every step

    def _look_at_steps(self, until: float) -> None:
        """R1: nobody who is out becomes a subscriber by what this software does."""
        history = self.world.vendors.history
        while self._steps < len(history) and history[self._steps].at < until:
            step = history[self._steps]
            self._steps += 1
            if step.source != "api" or step.after is not Standing.SUBSCRIBED:
                continue
            address = step.address.lower()
            word = self.words.get((step.list_id, address))
            if step.before in OPTED_OUT:
                self.faults.append(f"R1: {address} was {step.before.name} and was subscribed by the API")
            elif word and word.says in ("out", "bounce"):
                self.faults.append(f"R1: {address} said {word.says} and was subscribed by the API")
            elif address in self.inherited and not (word and word.says == "in"):
                self.faults.append(f"R1: the opt-out that followed to {address} was undone by the API")

    # After quiet

    def complaints(self) -> list[str]:
        """What is not as it must be, once everything has settled."""
        self.listen()
        return [*self.faults, *self._consent(), *self._fields(), *self._counts()]

    def _consent(self) -> Iterator[str]:
        world = self.world
        letters = str([letter["dead_letter"] for letter in world.dead_letters()]).lower()
        # A move that no webhook told of is found only by an earlier event of the person.
        unheard = set(self.left.values()) if world.anything_lost else set()
        for address in sorted({world.row(row)["EMailAddress"].lower() for row in world.rows()} - {""}):
            rows = self._rows_at(address)
            flagged = [row for row in rows if world.is_flagged(row)]
            mine = self.words.get((world.vendors.main, address))
            outs = [word for (_, about), word in self.words.items() if _mailbox(about) == _mailbox(address)]
            is_out = any(word.says in ("out", "bounce") for word in outs)
            wishes = [at for row, at in self.wishes.items() if row in rows]
            status = world.status(address)
            if mine and mine.says in ("out", "bounce") and status == "subscribed":
                yield f"R1: {address} said {mine.says} and is subscribed"
            if address in self.tangled or address in unheard:
                continue
            returned = mine.at if mine and mine.says == "in" else 0.0
            if wishes and max(wishes) > returned and status == "subscribed":
                yield f"item 1: a rep flagged {address} and it is subscribed"
            if is_out and len(flagged) < len(rows) and address not in letters:
                missing = sorted(set(rows) - set(flagged))
                yield f"R2: {address} is out and not flagged are {missing}"
            former = self.inherited.get(address)
            if former and not returned and len(flagged) < len(rows) and former not in letters:
                yield f"R2: the opt-out of {former} followed to {address}, which is not flagged"
            if is_out or wishes or former:
                continue
            if flagged:
                yield f"items 2, 3: nobody wants {address} flagged, and flagged are {flagged}"
            silent = mine is not None and mine.says == "silent"
            # A contact alone makes nobody a member.
            may_be = any(row[0] == "Customer" for row in rows) and not silent
            if may_be and returned >= self.wished.get(address, 0.0) and status != "subscribed":
                yield f"item 2: nobody wants {address} out, and it is {status}"

    def _fields(self) -> Iterator[str]:
        world = self.world
        for row in world.rows():
            columns = world.row(row)
            address = columns["EMailAddress"].lower()
            same = [other for other in self._rows_at(address) if other[0] == row[0]]
            if address in self.tangled or world.status(address) != "subscribed" or len(same) > 1:
                continue
            shown = world.fields(address)
            if row in self.unread & self.overwritten:
                # Only a run that reads all rows can tell that this is not what Mailchimp had from Epicor.
                pairs = []
            elif row[0] == "Customer":
                pairs = [("COMPANY", columns["Name"])]
            else:
                pairs = [("FNAME", columns["FirstName"]), ("LNAME", columns["LastName"])]
            for tag, value in pairs:
                if shown.get(tag, "") != value:
                    yield f"R8: {address} has {tag} {shown.get(tag)!r} in Mailchimp and {value!r} in Epicor"
            name = self.names.get(row)
            expected = name.expected() if name else None
            if expected is not None and shown.get("FNAME") != expected:
                yield f"R8: {address} shows {shown.get('FNAME')!r} and ought to show {expected!r}"

    def _counts(self) -> Iterator[str]:
        """R6: every record that a finished run has read has one decision."""
        for run in self.world.query(
            "SELECT r.id, r.plugin, r.records_read, count(d.seq) AS decided FROM runs r LEFT JOIN decisions d"
            " ON d.run_id = r.id AND d.part_of IS NULL WHERE r.status = 'succeeded' GROUP BY r.id"
        ):
            if run["records_read"] != run["decided"]:
                yield f"R6: {run['plugin']} read {run['records_read']} and decided {run['decided']}"


def _mailbox(address: str) -> str:
    """The address in the form in which mail servers know its domain."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.encode('idna').decode()}"
