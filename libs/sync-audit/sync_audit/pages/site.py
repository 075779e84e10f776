"""What the pages work with, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from fastapi.responses import RedirectResponse

from sync_audit.pages.login import Login, WrongTokens
from sync_audit.pages.receiver import ReceiverWatch
from sync_audit.pages.replays import Replays
from sync_audit.pages.settings import PagesSettings
from sync_audit.pages.views import Views
from sync_audit.trail import AuditTrail


@dataclass(frozen=True)
class Site:
    """What the routes work with.

    Args:
        trail: What is shown.
        settings: How.
        views: Makes pages.
        login: Makes sessions.
        wrong_tokens: Limits how often one may try.
        replays: Starts replays.
        watch: Watches the receiver, where there is one.
    """

    trail: AuditTrail
    settings: PagesSettings
    views: Views
    login: Login
    wrong_tokens: WrongTokens
    replays: Replays
    watch: ReceiverWatch | None

    def to(self, path: str) -> RedirectResponse:
        """Go on to another page, and ask for it with GET."""
        return RedirectResponse(self.settings.root + path, HTTPStatus.SEE_OTHER)
