"""What must be true after quiet: a small reference model of consent and of names, on its own.

It knows what people and reps have done and what both vendors show, and nothing of the plugins.
"""

from __future__ import annotations

from collections import Counter
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

    def expected(self, *, epicor_wins: bool = False) -> str | None:
        """What both must show; None where more than one answer is right."""
        stronger, weaker = (self.rep, self.person) if epicor_wins else (self.person, self.rep)
        if self.agreed is None or (weaker and len(stronger) > 1):
            return None
        if stronger and stronger[-1] != self.agreed:
            return stronger[-1]
        return weaker[-1] if weaker else self.agreed


@dataclass(frozen=True)
class Departure:
    """A row that got another address from a rep.

    Attributes:
        former: The address before.
        was_known: Whether a run has seen the row there.
    """

    row: RowName
    former: str
    at: float
    was_known: bool


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
        departures: Of rows to which a rep gave another address.
        ran: When a run ended last: what came and went between two runs, nobody has seen.
        tangled: Addresses of which more than one answer is right, and since when. They must be safe, have
            an opt-out that was said later, and one value of each field on both sides.
        unread: Rows that did not change since the audit database was lost: no run reads them by itself.
        overwritten: Customers whose company a person has written in Mailchimp, where it is not theirs.
        edited: Addresses at which a field was edited in Mailchimp: of a person who is not subscribed when an
            unsigned webhook is read, it does not reach Epicor.
        shared: Addresses that several rows of a table had. No run learns that a row is gone: its values stay
            until another row changes.
    """

    world: World
    words: dict[tuple[str, str], Word] = field(default_factory=dict)
    wishes: dict[RowName, float] = field(default_factory=dict)
    wished: dict[str, float] = field(default_factory=dict)
    cleared: dict[RowName, float] = field(default_factory=dict)
    inherited: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    came: dict[RowName, float] = field(default_factory=dict)
    departures: list[Departure] = field(default_factory=list)
    ran: float = 0
    tangled: dict[str, float] = field(default_factory=dict)
    unread: set[RowName] = field(default_factory=set)
    overwritten: set[RowName] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    names: dict[RowName, Name] = field(default_factory=dict)
    _followed: set[str] = field(default_factory=set)
    _heard: int = 0
    _now: float = 0
    _steps: int = 0
    faults: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Take in what was said since the last time, and look at every step that was made meanwhile."""
        for said in self.world.story[self._heard :]:
            self._look_at_steps(said.at)
            self._now = said.at
            self._hear(said)
        self._heard = len(self.world.story)
        held = Counter((row[0], self.world.row(row)["EMailAddress"].lower()) for row in self.world.rows())
        self.shared |= {address for (_, address), times in held.items() if times > 1}
        self._look_at_steps(float("inf"))

    def forget(self) -> None:
        """Expect no more than what the vendors can tell: the audit database is lost, or an old one.

        A flag that nothing explains any more is a rep's wish.
        """
        self.listen()
        self.wishes |= {row: 0.0 for row in self.world.rows() if self.world.is_flagged(row)} | self.wishes
        self._now = self.world.vendors.clock.now
        self._tangle(*self.wished, *self.inherited)
        self.inherited.clear()
        self.names.clear()
        self.unread = set(self.world.rows())

    def _tangle(self, *addresses: str) -> None:
        self.tangled |= dict.fromkeys(addresses, self._now)

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
        if said.what == "delete_permanently":
            # What Epicor owns reaches the contact that comes back with the next change of the row.
            self.unread |= {*self._rows_at(address)}
            self.overwritten |= {*self._rows_at(address)}
        if said.what in SAYS:
            if said.what in ("archive", "delete_permanently"):
                self._tangle(address)
                before = self.words.get(at)
                if before and before.says == "out":
                    return
            self._follow_rows(said, address)
            self.words[at] = Word(SAYS[said.what], said.at)
            if SAYS[said.what] in ("out", "bounce"):
                self._doubt_left(address)
        if said.what == "subscribe":
            # Whose opt-out followed from here to another address has come back: nothing tells whom it was.
            followed = {new for new, former in self.inherited.items() if former == address}
            self._tangle(*followed)
            self.inherited = {new: former for new, former in self.inherited.items() if new not in followed}
        self._hear_fields(said, address)

    def _follow_rows(self, said: Said, address: str) -> None:
        """What is said under an address that a row has left since the last run is its person's, too."""
        if SAYS[said.what] not in ("out", "silent"):
            return
        for left, new in self._departed(address):
            is_first = left.was_known and left.at > self.ran and said.list_id == self.world.vendors.main
            if is_first and said.what in ("unsubscribe", "complain"):
                self.inherited[new] = address
            else:
                self._tangle(new)

    def _departed(self, address: str) -> list[tuple[Departure, str]]:
        """The rows that had an address, with that which they have now."""
        rows = {row: self.world.row(row)["EMailAddress"].lower() for row in self.world.rows()}
        return [
            (left, rows[left.row]) for left in self.departures if left.former == address and left.row in rows
        ]

    def _hear_fields(self, said: Said, address: str) -> None:
        written = said.details.get("merge_fields", {})
        name = written.get("FNAME")
        if written:
            self.edited.add(address)
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
        # Where both sides change the address, either may hold in the end.
        self._tangle(*(now for _, now in self._departed(address)))
        self._followed.discard(new)
        # A change of address is told with a profile. In another order, unsigned ones may name the wrong row.
        self.edited |= {address, new}
        self.shared.update([new] if address in self.shared else [])
        self.shared.update([] if self.world.signed else [address, new])
        if address in self.wished:
            self.wished[new] = max(self.wished[address], self.wished.get(new, 0.0))
        # What is known at either address may be about two people from now on.
        is_doubtful = address in self.tangled or address in self.inherited
        if is_doubtful or self._word(new) or self._rows_at(new) or self._word(address):
            self._tangle(address, new)
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
            self._tangle(former)
            address = former

    def _forget_left(self) -> None:
        """A run lets rows follow, the next one sees it."""
        self.left = {new: former for new, former in self.left.items() if new not in self._followed}
        self._followed = {new for new, former in self.left.items() if not self._rows_at(former)}

    def _hear_rep(self, said: Said, row: RowName) -> None:
        self.unread.discard(row)
        if said.what == "remove":
            self._tangle(said.before["EMailAddress"].lower())
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
                    self._tangle(address)
                self.wishes[row] = said.at
            else:
                self.cleared[row] = said.at
                if self.wishes.pop(row, None) is None:
                    # The rep took away what the person had said, or what another rep's wish had caused.
                    self._tangle(address)
        if "EMailAddress" in after and after["EMailAddress"].lower() != address:
            self._move(row, address, after["EMailAddress"].lower(), said.at)
        if after.get(NAME, before.get(NAME)) != before.get(NAME) and row in self.names:
            self.names[row].rep.append(after[NAME])
        if after.get("Inactive"):
            self._tangle(address)

    def _move(self, row: RowName, address: str, new: str, at: float) -> None:
        self.names.pop(row, None)
        for known in (self.edited, self.shared):
            known.update([new] if address in known else [])
        word = self._word(address)
        came, self.came[row] = self.came.get(row, 0.0), at
        self.departures.append(Departure(row, address, at, came < self.ran))
        was_tangled = self.tangled.get(address, at) < at  # not by another row in the same act
        if address in self.inherited and came >= self.ran:
            # No run has seen the row here: what it may have brought goes on with it.
            del self.inherited[address]
            self._tangle(new)
        elif (word and word.says == "out") or address in self.inherited:
            if came < self.ran:
                self.inherited[new] = address
            elif word and came <= word.at:
                # Only a run that was reading just then has seen the row here.
                self._tangle(new)
        if self._word(new) or was_tangled or row in self.wishes or self.world.member(new):
            self._tangle(new)
        if len(self._rows_at(new)) > 2 or address in self.wished:
            self._tangle(new)
        self._tangle(address)

    def _word(self, address: str) -> Word | None:
        found = [word for (_, about), word in self.words.items() if about == address]
        return max(found, key=lambda word: word.at) if found else None

    def _outs(self, address: str) -> list[Word]:
        words = [word for (_, about), word in self.words.items() if _mailbox(about) == _mailbox(address)]
        return [word for word in words if word.says in ("out", "bounce")]

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
        return [*self.faults, *self._consent(), *self._late_opt_outs(), *self._fields(), *self._counts()]

    def _consent(self) -> Iterator[str]:
        world = self.world
        letters = str([letter["dead_letter"] for letter in world.dead_letters()]).lower()
        # A move that no webhook told of is found only by an earlier event of the person.
        unheard = set(self.left.values()) if world.anything_lost else set()
        for address in sorted({world.row(row)["EMailAddress"].lower() for row in world.rows()} - {""}):
            rows = self._rows_at(address)
            flagged = [row for row in rows if world.is_flagged(row)]
            mine = self.words.get((world.vendors.main, address))
            is_out = bool(self._outs(address))
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

    def _late_opt_outs(self) -> Iterator[str]:
        """R2: an opt-out at a tangled address that was said after it became one."""
        world = self.world
        letters = str([letter["dead_letter"] for letter in world.dead_letters()]).lower()
        for address, since in sorted(self.tangled.items()):
            rows = self._rows_at(address)
            flagged = [row for row in rows if world.is_flagged(row)]
            is_out = any(word.at > since for word in self._outs(address))
            if address and is_out and flagged != rows and address not in letters:
                yield f"R2: {address} is out at last, and of {rows} are flagged {flagged}"

    def _fields(self) -> Iterator[str]:
        world = self.world
        for row in world.rows():
            columns = world.row(row)
            address = columns["EMailAddress"].lower()
            same = [other for other in self._rows_at(address) if other[0] == row[0]]
            status = world.status(address)
            is_shown = status == "subscribed" or (status == "unsubscribed" and address not in self.edited)
            if not is_shown or len(same) > 1 or address in self.tangled.keys() & self.shared:
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
            name = self.names.get(row) if address not in self.tangled else None
            expected = name.expected(epicor_wins=world.epicor_wins) if name else None
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
