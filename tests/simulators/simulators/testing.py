"""A pytest plugin: fixtures that start simulators."""

from __future__ import annotations

from simulators.mailchimp.testing import start_mailchimp, webhook_sink

__all__ = ["start_mailchimp", "webhook_sink"]
