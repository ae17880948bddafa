"""What is wrong with the records behind something that is shown or exported (H-08).

May import `signed_heads`, `store`, `treatments`, `errors` and the standard library.

Each command that shows or writes stored records asks here first, and says what it gets. Only the
records that are shown are looked at, on to the next signed head, so that a list of 50 treatments of
a million records stays quick; chain values alone are compared, no signatures. `cryo log verify`
looks at everything.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from host_tools.signed_heads import joined
from host_tools.store import Store
from host_tools.treatments import Treatment

_NEAR = 200
"""Records between two spans that are rather read as well than asked for separately."""
_SHOWN = 5


def of_treatments(store: Store, found: Iterable[tuple[str, Treatment]]) -> list[str]:
    """Problems of the records of these treatments, each with its device."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for serial, treatment in found:
        numbers = [treatment.seq, *treatment.records]
        spans.setdefault(serial, []).append((min(numbers), max(numbers)))
    return [problem for serial, mine in spans.items() for problem in of_spans(store, serial, mine)]


def of_spans(store: Store, serial: str, spans: Iterable[tuple[int, int]]) -> list[str]:
    """Problems of these records, first and last, of a device."""
    problems: list[str] = []
    done = 0
    for first, last in joined(spans, _NEAR):
        if last <= done:
            continue
        verdict = store.verify(serial, max(first, done + 1), last)
        problems += [f"{serial}: {text}" for text in verdict.problems]
        done = max(last, verdict.last)
    return problems


def of_all(store: Store, serials: Iterable[str]) -> list[str]:
    """Problems of all records of these devices."""
    return [f"{serial}: {text}" for serial in serials for text in store.verify(serial).problems]


def say(problems: list[str], what: str) -> None:
    """Say on standard error that `what` rests on records that do not verify."""
    if not problems:
        return
    print(f"✗ {what} rests on records that DO NOT VERIFY:", file=sys.stderr)
    for text in problems[:_SHOWN]:
        print(f"  {text}", file=sys.stderr)
    if len(problems) > _SHOWN:
        print(f"  and {len(problems) - _SHOWN} more", file=sys.stderr)
    print("  `cryo log verify` looks at everything that is stored", file=sys.stderr)
