"""The states of a dead letter."""

from __future__ import annotations

OPEN = "open"
IN_FLIGHT = "in_flight"
RESOLVED = "resolved"
FAILED_AGAIN = "failed_again"
CLOSED = "closed"
CORRECTED = "corrected"
WAITING_STATES = (OPEN, IN_FLIGHT)
"""The states in which its record may not have reached its destination."""
