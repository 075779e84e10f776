"""The lines of docs/consent.md that do not hold yet, each with the item of issue 13 that will settle it."""

from __future__ import annotations

from collections.abc import Mapping

CONSENT: Mapping[str, int] = {}

CONSENT_WITHOUT_THE_AUDIT_DATABASE: Mapping[str, int] = {}

FIELDS: Mapping[str, int] = {
    "Ann writes Cyd → reverse is killed after its first write → a rep writes Dan for Ann's contact": 11,
}
