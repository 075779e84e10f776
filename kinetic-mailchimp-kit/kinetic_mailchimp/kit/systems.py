"""Names of the two systems, as a person calls them and as a run registers its direction."""

from __future__ import annotations

from typing import Final

EPICOR: Final = "Epicor"
MAILCHIMP: Final = "Mailchimp"
