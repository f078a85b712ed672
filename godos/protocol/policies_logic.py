"""
Logic with three values: True, False, and None for what cannot be said (yet).

It is Kleene's: an answer is given as soon as what is unknown cannot change it.
"""

from __future__ import annotations

from collections.abc import Iterable

Truth = bool | None


def negate(truth: Truth) -> Truth:
    """Not."""
    return None if truth is None else not truth


def some(truths: Iterable[Truth]) -> Truth:
    """Or: True when one is, else None when one cannot be said.  False of none."""
    result: Truth = False
    for truth in truths:
        if truth:
            return True
        if truth is None:
            result = None
    return result


def every(truths: Iterable[Truth]) -> Truth:
    """And: False when one is, else None when one cannot be said.  True of none."""
    result: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result
