"""The collaborators of the routes, in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse, StreamingResponse

from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.console.pages.login import Login
from kinetic_mailchimp.console.pages.receiver_watch import ReceiverWatch
from kinetic_mailchimp.console.pages.replays import Replays
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.console.pages.views import Views
from kinetic_mailchimp.kit.server.rate_limit import RateLimit

_LONGEST_NAME: Final = 100


@dataclass(frozen=True)
class Site:
    """The collaborators of the routes."""

    trail: AuditTrail
    settings: PagesSettings
    views: Views
    login: Login
    wrong_tokens: RateLimit
    replays: Replays
    watch: ReceiverWatch | None

    def redirect(self, path: str) -> RedirectResponse:
        """Redirect to another page, which is requested with GET."""
        return RedirectResponse(self.settings.root + path, HTTPStatus.SEE_OTHER)


def name_of_visitor(request: Request) -> str:
    """The name that the trail keeps: the proxy's, or else the one in the form, as the token is everybody's.

    Raises:
        ValueError: There is none.
    """
    if request.state.visitor.name:
        return str(request.state.visitor.name)
    name = " ".join(request.state.form.get("name", "").split())[:_LONGEST_NAME]
    if not name:
        raise ValueError("Write your name: the trail keeps who did it.")
    return f"{name} (logged in by token)"


def download(name: str, kind: str, lines: Iterable[str]) -> StreamingResponse:
    """A file that the browser stores.

    Args:
        name: Its name.
        kind: Its media type, such as `text/csv`.
        lines: Its text, as it is made.
    """
    # Excel takes a CSV file without this mark for one in the encoding of its own machine.
    marked = chain(["\ufeff"], lines) if kind == "text/csv" else lines
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(marked, media_type=f"{kind}; charset=utf-8", headers=headers)
