"""The lines of docs/consent.md that do not hold yet, each with the item of issue 13 that will settle it."""
# ruff: noqa: E501 - a story is one line

from __future__ import annotations

from collections.abc import Mapping

CONSENT: Mapping[str, int] = {
    "Ann leaves → reverse → forward → a rep swaps Ann's and Bob's addresses": 6,
    "a rep flags Ann's contact → forward is killed after its first write → reverse → a rep clears Ann's contact": 11,
}

CONSENT_WITHOUT_THE_AUDIT_DATABASE: Mapping[str, int] = {
    "Ann leaves → reverse → forward → Ann returns → reverse → a rep writes phone 5551 for Bob's customer → forward → a rep flags Ann's contact": 2,
    "Ann joins the second audience → reverse → Ann leaves the second audience": 2,
    "a rep corrects Ann to anna@ → forward → reverse → Ann moves to annie@ → Ann leaves": 6,
}

FIELDS: Mapping[str, int] = {
    "Ann writes Cyd → reverse is killed after its first write → a rep writes Dan for Ann's contact": 11,
    "Ann moves to anna@ → a rep writes Bea for Ann's contact → reverse": 6,
}
