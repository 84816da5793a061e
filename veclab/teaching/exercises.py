"""Exercises that check themselves: not done yet, done, or wrong and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OPEN = "✏️  your turn: replace the ... above, run that cell, then this one again"
SOLVED = "✅ solved"


class _Open(Exception):
    """The reader has not written anything yet."""


def check(answer: Any) -> Callable[[Callable[[Any], None]], None]:
    """Run the decorated test on the reader's answer, at once.

        @check(my_function)
        def _(solve):
            assert solve(2) == 4, "twice two is four"

    An answer that is still `...`, or a function that returns `...`, is open and no failure: a
    notebook runs to its end unsolved. A wrong answer raises the test's own AssertionError.
    """

    def called(*values: Any, **named: Any) -> Any:
        result = answer(*values, **named)
        if result is ...:
            raise _Open
        return result

    def run(test: Callable[[Any], None]) -> None:
        try:
            if answer is ...:
                raise _Open
            test(called if callable(answer) else answer)
        except _Open:
            print(OPEN)
        else:
            print(SOLVED)

    return run
