"""The lines of docs/consent.md that do not hold yet, each with the item of issue 13 that will mend it."""
# ruff: noqa: E501 - a story is one line

from __future__ import annotations

from collections.abc import Mapping

CONSENT: Mapping[str, int] = {
    "Ann leaves → reverse → Ann returns": 2,
    "Ann leaves → Ann returns, told as profile": 2,
    "Ann leaves → reverse → forward → Ann returns, told as profile": 2,
    "Ann leaves → reverse → Ann returns, told as profile → forward": 2,
    "Ann leaves → reverse → a rep clears Ann": 3,
    "Ann leaves → reverse → forward → a rep clears Ann's contact → forward": 3,
    "a rep flags Ann's contact → forward → a rep clears Ann's contact": 3,
    "a rep flags Ann's contact → forward → reverse → a rep clears Ann's contact": 3,
    "a rep flags Ann → Ann leaves → reverse → forward → a rep clears Ann": 3,
    "Ann complains → webhooks are lost → reverse → a rep clears Ann": 3,
    "Ann bounces → reverse → a rep corrects Ann to anna@": 5,
    "Ann bounces → a rep corrects Ann to anna@ → forward → reverse": 5,
    "Ann joins the second audience → reverse → Ann leaves the second audience": 2,
    "Ann leaves → reverse → a rep adds Eve with ann@": 5,
    "Ann leaves → reverse → a rep corrects Bob to ann@": 5,
    "Ann leaves → reverse → forward → a rep swaps Ann's and Bob's addresses": 5,
    "Ann leaves → reverse → an admin deletes Ann for good": 11,
    "the receiver's clock is off by 2 h → Ann leaves → reverse → Ann returns → reverse → Ann leaves → webhooks are lost": 4,
    "the pipelines' clocks are off by -2 h → Ann leaves → reverse → forward → Ann returns → webhooks are lost → forward → reverse": 4,
    "Ann leaves → reverse is killed after its first write → Ann returns": 11,
    "a rep flags Ann's contact → forward is killed after its first write → reverse → a rep clears Ann's contact": 11,
}

CONSENT_WITHOUT_THE_AUDIT_DATABASE: Mapping[str, int] = {
    "Ann leaves → reverse → Ann returns": 2,
    "Ann leaves → Ann returns, told as profile": 2,
    "Ann leaves → reverse → forward → Ann returns, told as profile": 2,
    "Ann leaves → reverse → Ann returns, told as profile → forward": 2,
    "Ann leaves → reverse → a rep clears Ann": 3,
    "Ann leaves → reverse → forward → a rep clears Ann's contact → forward": 3,
    "a rep flags Ann → Ann leaves → reverse → forward → a rep clears Ann": 3,
    "Ann complains → webhooks are lost → reverse → a rep clears Ann": 3,
    "Ann bounces → a rep corrects Ann to anna@ → forward → reverse": 5,
    "Ann leaves → reverse → a rep adds Eve with ann@": 5,
    "Ann leaves → reverse → a rep corrects Bob to ann@": 5,
    "Ann leaves → reverse → forward → a rep swaps Ann's and Bob's addresses": 5,
    "the receiver's clock is off by 2 h → Ann leaves → reverse → Ann returns → reverse → Ann leaves → webhooks are lost": 4,
    "the pipelines' clocks are off by -2 h → Ann leaves → reverse → forward → Ann returns → webhooks are lost → forward → reverse": 4,
    "Ann leaves → reverse is killed after its first write → Ann returns": 11,
}

FIELDS: Mapping[str, int] = {
    "Ann writes Cyd → reverse → a rep writes Ann for Ann's contact": 9,
    "Ann writes Cyd → reverse is killed after its first write → a rep writes Dan for Ann's contact": 11,
    "Ann moves to anna@ → a rep writes Bea for Ann's contact → reverse": 6,
    "Ann writes company Best": 8,
}
