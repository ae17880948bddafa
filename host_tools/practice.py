"""`cryo treatments`, `cryo treatment`: what was delivered, to whom and when.

Imported only when one of them is run; imports the library, and rich in a function.
"""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from host_tools import vouching
from host_tools.errors import UsageError
from host_tools.projection import Wanted
from host_tools.story import row, story

if TYPE_CHECKING:
    from host_tools.store import Store
    from host_tools.treatments import Treatment


def moment_s(text: str, *, end: bool = False) -> int:
    """Seconds since 1970 of a date (UTC; with `end` the end of that day) or of a time with offset.

    Raises UsageError with the form that is expected.
    """
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=int(end))
            return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"'{text}' is no date", "like this: 2026-01-31, or 2026-01-31T15:04:05+02:00"
        ) from None
    if when.tzinfo is None:
        raise UsageError(
            f"'{text}' does not say in which time zone", "put an offset behind it, such as +02:00"
        )
    return int(when.timestamp())


def wanted(args: Namespace) -> Wanted:
    """The filter of the command line."""
    return Wanted(
        args.serial,
        None if args.since is None else moment_s(args.since),
        None if args.until is None else moment_s(args.until, end=True),
        args.reference,
        args.operator,
        args.result,
    )


def listed(args: Namespace, store: Store) -> dict[str, Any]:
    """`cryo treatments`: the newest ones that the filter lets through, and what is wrong."""
    if args.n < 1:
        raise UsageError("-n must be at least 1")
    serials = store.serials()
    if args.serial is not None and args.serial not in serials:
        raise UsageError(
            f"no records of {args.serial} are stored", f"stored are: {', '.join(serials)}"
        )
    found = store.treatments(wanted(args), newest=None if args.all else args.n)
    rows = [row(serial, item, store.description(serial)) for serial, item in found]
    if not args.json:
        from host_tools import render_treatments

        render_treatments.listed(
            [(serial, item, told) for (serial, item), told in zip(found, rows, strict=True)],
            several=len(serials) > 1,
            total=store.treatment_count(),
        )
    return {"treatments": rows, "problems": vouching.of_treatments(store, found)}


def find(args: Namespace, store: Store) -> tuple[str, Treatment]:
    """The treatment that the command line names by its number, and its device.

    Raises UsageError: there is none, or several devices have one with this number.
    """
    number: int = args.number
    serials = store.devices_with_treatment(number)
    if args.serial is not None:
        serials = [serial for serial in serials if serial == args.serial]
    if not serials:
        where = f" of {args.serial}" if args.serial is not None else ""
        raise UsageError(f"no treatment {number}{where} is stored", "`cryo treatments` lists them")
    if len(serials) > 1:
        raise UsageError(
            f"{len(serials)} devices have a treatment {number}",
            f"say which with --serial: {', '.join(serials)}",
        )
    treatment = store.treatment(serials[0], number)
    assert treatment is not None
    return serials[0], treatment


def told(args: Namespace, store: Store) -> dict[str, Any]:
    """`cryo treatment N`: the whole story."""
    serial, treatment = find(args, store)
    description = store.description(serial)
    data = story(store, serial, treatment, description)
    if not args.json:
        from host_tools import render_treatments

        render_treatments.told(treatment, data)
    return data
