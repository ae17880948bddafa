"""Settings applied as a whole: all of them, or set back as far as device and operator allow.

May import `description`, `device`, `errors`, `units` and the standard library. H-13: dose and
limits are confirmed at the device, also when they are set back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from host_tools import units
from host_tools.errors import CryoError, NotConfirmed, Refused

if TYPE_CHECKING:
    from host_tools.description import Description, Setting
    from host_tools.device import Device, SetReply

_PASSES = 3
"""Choosing a profile sets other settings too, so what the device has is compared again."""

Confirm = Callable[["Change", "SetReply"], AbstractContextManager[Callable[[float], None]]]
"""Shows what the device asks; the inner function takes the seconds left."""


@dataclass
class Change:
    """One setting that has to change, and what came of it."""

    row: Setting
    old: int
    new: int
    outcome: str = "not sent"
    """`applied`, `confirmed`, `rejected`, `timed_out`, `refused`, `not sent`, `set back`; `kept`:
    not set back; `waiting`: not known."""

    def as_dict(self) -> dict[str, object]:
        """As `--json` shows it."""
        return {
            "key": self.row.key, "unit": self.row.unit, "old": self.old, "new": self.new,
            "who": self.row.who, "outcome": self.outcome,
        }  # fmt: skip


class NotImported(CryoError):
    """A change in a file was refused or rejected; what became of the others is in `changes`.

    Kind and exit code are those of `cause`.
    """

    def __init__(self, cause: CryoError, changes: list[Change], left: list[Change]) -> None:
        back = [change for change in changes if change.outcome == "set back"]
        if left:
            after = f"NOT set back: {', '.join(change.row.key for change in left)}"
        elif back:
            after = f"set back as they were: {', '.join(change.row.key for change in back)}"
        else:
            after = "no other setting was changed"
        super().__init__(f"{cause.text}; {after}", cause.hint)
        self.cause, self.changes, self.left = cause, changes, left
        self.exit_code, self.kind = cause.exit_code, cause.kind
        self.detail: dict[str, object] = getattr(cause, "detail", {})
        self.candidates = [
            (change.row.key, f"is {_plain(change.new, change.row)}, was "
             f"{_plain(change.old, change.row)}")
            for change in left
        ]  # fmt: skip
        if left:
            self.hint = "set them by `cryo set`, or import the file again"

    def as_dict(self) -> dict[str, object]:
        """The cause with all changes, and whether the device is as it was."""
        return self.cause.as_dict() | super().as_dict() | {
            "changes": [change.as_dict() for change in self.changes],
            "as_before": not self.left,
        }  # fmt: skip


def _plain(value: int, row: Setting) -> str:
    return units.show(value, row.unit)


def values_of(device: Device, description: Description) -> dict[str, int]:
    """The values of all settings. Raises Refused while the valve is open."""
    found = device.get_all(description.settings)
    return {value.key: value.value for value in found}


def changes_to(
    wanted: Mapping[str, int], now: Mapping[str, int], description: Description
) -> list[Change]:
    """What differs, in the order of applying it.

    First what the operator confirms, since that can be rejected while nothing else is changed yet;
    of that first the choices (applicator, profile), which other values depend on.
    """
    found = [
        Change(row, now[row.key], wanted[row.key])
        for row in description.settings
        if row.key in wanted and wanted[row.key] != now[row.key]
    ]

    def order(change: Change) -> tuple[bool, bool]:
        row = change.row
        return row.who == "host", description.part_of(row.key, row.unit) is None

    return sorted(found, key=order)


@dataclass
class Import:
    """One import: applies the changes, and sets them back if one of them is not taken."""

    device: Device
    description: Description
    before: dict[str, int]
    """All settings as they were."""
    confirm: Confirm = lambda _change, _reply: nullcontext(lambda _: None)
    say: Callable[[str], None] = lambda _: None
    done: list[Change] = field(default_factory=list[Change])
    """Changes in the order in which they took effect."""
    brought: list[Change] = field(default_factory=list[Change])
    """What a choice (a profile) has changed besides, and the file does not mention."""

    def apply(self, wanted: Mapping[str, int]) -> list[Change]:
        """Bring the device to `wanted`. Returns what was changed.

        Raises NotImported: one was refused or rejected; those before it are set back, and the error
        says if that did not succeed for all. KeyboardInterrupt passes: the device goes on asking.
        """
        planned = changes_to(wanted, self.before, self.description)
        try:
            self._bring(wanted)
        except CryoError as cause:
            at = self.done[-1] if self.done and self.done[-1].outcome == "waiting" else None
            if at is not None:
                if isinstance(cause, NotConfirmed):
                    at.outcome = cause.outcome
                elif isinstance(cause, Refused):
                    at.outcome = "refused"
                self.done.pop()
            left = self._back(at)
            changes = _told(planned, self.done, at)
            raise NotImported(cause, changes, left) from cause
        changes = _told(planned, self.done, None)
        for change in changes:
            if change.outcome == "not sent":
                change.outcome = "applied"  # with a choice that brought it along
        now = values_of(self.device, self.description)
        self.brought = [
            Change(change.row, change.new, change.old, "applied")
            for change in changes_to(self.before, now, self.description)
            if change.row.key not in wanted
        ]
        return changes

    def _bring(self, wanted: Mapping[str, int]) -> None:
        """Change what differs, until nothing does; what a choice has changed besides, too."""
        for last in (*[False] * (_PASSES - 1), True):
            now = values_of(self.device, self.description)
            changes = changes_to(wanted, now, self.description)
            if not changes:
                return
            late: list[Change] = []
            for change in changes:
                # A choice that took effect may have made this change already, or unmade it.
                change.old = self.device.get(change.row.key).value
                if change.old == change.new:
                    continue
                try:
                    self._set(change)
                except Refused as refusal:
                    if refusal.code != "range" or last:
                        raise
                    self.done.pop().outcome = "not sent"
                    late.append(change)  # its range may depend on a value that is still to come
            if late and len(late) == len(changes):
                self._set(late[0])  # nothing else can make it possible: the device says why not
        now = values_of(self.device, self.description)
        lost = [change.row.key for change in changes_to(wanted, now, self.description)]
        if lost:
            raise Refused("state", f"the device did not keep: {', '.join(lost)}")

    def _set(self, change: Change) -> None:
        self.done.append(change)
        change.outcome = "waiting"
        reply = self.device.set(change.row.key, change.new)
        if reply.applied:
            change.outcome = "applied"
            return
        with self.confirm(change, reply) as tick:
            self.device.wait_confirmed(reply, tick)
        change.outcome = "confirmed"

    def _back(self, failed: Change | None) -> list[Change]:
        """Set everything back that has changed. Returns what could not be."""
        changed, self.done = self.done, []
        # Of a change that was under way when the port went away nobody knows.
        unsure = [*changed, *([failed] if failed and failed.outcome == "waiting" else [])]
        try:
            self._set_back()
            now = values_of(self.device, self.description)
        except CryoError:
            return unsure  # nothing can be set, and nothing is known
        left = [
            Change(change.row, change.new, change.old, "kept")
            for change in changes_to(self.before, now, self.description)
        ]
        kept = {change.row.key for change in left}
        for change in changed:
            change.outcome = "kept" if change.row.key in kept else "set back"
        self.done = changed
        return left

    def _set_back(self) -> None:
        """Ask the device for what it had before; what it or its operator refuses is said."""
        refused: set[str] = set()
        for again in range(_PASSES):  # a choice that is set back brings its own figures with it
            now = values_of(self.device, self.description)
            back = [
                change for change in changes_to(self.before, now, self.description)
                if change.row.key not in refused
            ]  # fmt: skip
            if not back:
                return
            if not again:
                asks = sum(change.row.who != "host" for change in back)
                also = f"; {asks} of them to be confirmed at the device again" if asks else ""
                self.say(f"setting {len(back)} back as before{also}")
            # What the operator rejects must not hinder those that nobody has to confirm.
            for change in sorted(back, key=lambda change: change.row.who != "host"):
                if self.device.get(change.row.key).value == change.new:
                    continue
                try:
                    self._set(change)
                except (Refused, NotConfirmed) as error:
                    refused.add(change.row.key)
                    self.say(f"{change.row.key}: {error.text}")


def _told(planned: list[Change], done: list[Change], failed: Change | None) -> list[Change]:
    """Each change once, from the value at the beginning to the last one that was set."""
    last = {change.row.key: change for change in done}
    if failed is not None:
        last[failed.row.key] = failed
    first = {change.row.key: change for change in planned}
    for key, change in last.items():
        start = first.setdefault(key, Change(change.row, change.old, change.new))
        start.outcome = change.outcome
    return list(first.values())
