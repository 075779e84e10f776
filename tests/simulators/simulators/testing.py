"""A pytest plugin: fixtures that start simulators."""

from __future__ import annotations
