"""A pytest plugin: fixtures that start simulators."""

from __future__ import annotations

from simulators.mailchimp.testing import start_mailchimp as start_mailchimp
from simulators.mailchimp.testing import webhook_sink as webhook_sink
