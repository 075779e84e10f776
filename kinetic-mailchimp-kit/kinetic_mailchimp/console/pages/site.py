"""The collaborators of the routes, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from fastapi.responses import RedirectResponse

from kinetic_mailchimp.audit.trail.audit_trail import AuditTrail
from kinetic_mailchimp.console.pages.login import Login
from kinetic_mailchimp.console.pages.receiver_watch import ReceiverWatch
from kinetic_mailchimp.console.pages.replays import Replays
from kinetic_mailchimp.console.pages.settings import PagesSettings
from kinetic_mailchimp.console.pages.views import Views
from kinetic_mailchimp.kit.server.rate_limit import RateLimit


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
