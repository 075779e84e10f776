"""A pytest plugin: fixtures that start simulators."""

from __future__ import annotations

from simulators.epicor.testing import start_epicor
from simulators.mailchimp.testing import start_mailchimp, webhook_sink

__all__ = ["start_epicor", "start_mailchimp", "webhook_sink"]
