"""Login: sessions in a cookie, users named by a proxy, and a limit of wrong tokens."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from kinetic_mailchimp.audit.state.ledger import Ledger, apply_changes
from kinetic_mailchimp.audit.storage.database import Database
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.kit.parsing.timestamps import format_timestamp

COOKIE: Final = "sync_audit_session"
SESSION_SECONDS: Final = 12 * 3_600
ENDED_SESSIONS: Final = "ended_sessions"
"""The namespace of the ledger that holds them until they would have ended by themselves."""
_KEY_SIZE: Final = 32


@dataclass(frozen=True)
class Visitor:
    """A person who is logged in.

    Args:
        name: The name from the proxy; empty for a session.
        form_token: The token that each of their forms must have, so that no other web page can send one.
    """

    name: str
    form_token: str = field(repr=False)

    def is_form_token(self, text: str) -> bool:
        """Check the token of a form."""
        return compare_digest(self.form_token.encode(), text.encode())


class Login:
    """Checks tokens and sessions.

    Sessions are kept in the cookie alone, encrypted and signed with a key derived from the token: they
    outlast a restart, and a new token ends them all. So does the logout that ended one.

    Args:
        clock: Unix seconds.
        database: Remembers the sessions that were ended.
    """

    def __init__(self, settings: PagesSettings, clock: Callable[[], float], database: Database) -> None:
        self._settings = settings
        self._clock = clock
        origin = settings.token.encode() or secrets.token_bytes(_KEY_SIZE)
        self._database = database
        known = Ledger(database, ENDED_SESSIONS).items()
        self._ended: dict[str, float] = {session: value["until"] for session, value in known}
        self._form_key = _derived(origin, b"forms")
        self._sessions = Fernet(base64.urlsafe_b64encode(_derived(origin, b"sessions")))

    @property
    def takes_tokens(self) -> bool:
        """True if a token is set to log in with."""
        return bool(self._settings.token)

    def is_token(self, text: str) -> bool:
        """Check a token; takes as long for a wrong one as for a right one."""
        expected = blake2b(self._settings.token.encode()).digest()
        return self.takes_tokens and compare_digest(expected, blake2b(text.encode()).digest())

    def new_session(self) -> str:
        """The value of the cookie for a new session."""
        return self._sessions.encrypt_at_time(secrets.token_bytes(16), int(self._clock())).decode()

    def end_session(self, cookie: str | None) -> None:
        """End a session before its time, so that a copy of its cookie opens nothing.

        Raises:
            TransientError: The database did not take it: after a restart the session would count again.
        """
        session = self._session_of(cookie)
        if session is None:
            return
        now = self._clock()
        over = [ended for ended, until in self._ended.items() if until <= now]
        for ended in over:
            del self._ended[ended]
        self._ended[session.hex()] = now + SESSION_SECONDS
        changes = {**dict.fromkeys(over), session.hex(): {"until": now + SESSION_SECONDS}}
        stored_at = format_timestamp(datetime.fromtimestamp(now, UTC))
        with self._database.writing() as connection:
            apply_changes(connection, {ENDED_SESSIONS: changes}, run_id=0, now=stored_at)

    def _session_of(self, cookie: str | None) -> bytes | None:
        """The id of a session that has not ended."""
        if not self.takes_tokens or not cookie:
            return None
        try:
            session = self._sessions.decrypt_at_time(cookie, SESSION_SECONDS, int(self._clock()))
        except (InvalidToken, ValueError):
            return None
        return None if session.hex() in self._ended else session

    def visitor(self, peer: str, headers: Mapping[str, str], cookie: str | None) -> Visitor | None:
        """The visitor of a request; None without a login."""
        header = self._settings.user_header
        name = headers.get(header, "").strip() if header and self._settings.trusts(peer) else ""
        if name:
            return Visitor(name, self._form_token(b"user:" + name.encode()))
        session = self._session_of(cookie)
        return None if session is None else Visitor("", self._form_token(b"session:" + session))

    def _form_token(self, visitor: bytes) -> str:
        return blake2b(visitor, key=self._form_key, digest_size=_KEY_SIZE).hexdigest()


def _derived(origin: bytes, purpose: bytes) -> bytes:
    # BLAKE2b as a key derivation: the token is random and long, so nothing needs to be slowed down.
    return blake2b(purpose, key=blake2b(origin).digest(), digest_size=_KEY_SIZE).digest()
