"""A session as a file: timed actions on the applicator in a readable format.

TOML, so that it can be written and edited by hand:

    version = 1
    seed = 1
    end_ms = 30000
    steps = [
      { at_ms = 0, do = "power_on" },
      { at_ms = 1500, do = "press", what = "up", ms = 80 },
      { at_ms = 2000, do = "hold", what = "arm" },
      { at_ms = 3100.25, do = "release", what = "arm" },
      { at_ms = 9000, do = "mishap", what = "dewar_empty" },
      { at_ms = 9500, do = "estop_open" },
    ]

`at_ms` is virtual time since the bench was created, with decimals down to the nanosecond. The same
file gives the same run on the same kind of bench, byte by byte. May import the standard library and
`hw_sim.world.fault_injection`, and `Bench` of `hw_sim.bench` as a type.
"""

from __future__ import annotations

import json
import tomllib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hw_sim.world.fault_injection import MISHAPS

if TYPE_CHECKING:
    from hw_sim.bench import Bench

VERSION = 1
NS_PER_MS = 1_000_000
LONGEST_NS = 24 * 3600 * 1000 * NS_PER_MS
"""Maximum duration of a file. The recording of a longer session ends there (`Recorder`)."""

LONGEST_TEXT = 8_000_000
"""Maximum size in bytes of a file that the page accepts."""

BUTTONS = ("trigger", "up", "down", "select", "arm")
ALONE = ("power_on", "cut_power", "estop_open", "estop_close", "aim_away", "aim_at_skin")
"""Actions without an object. Initially the nozzle is aimed at the skin."""

NAMED = ("hold", "release", "mishap", "mend", "send", "send_hex")
"""Actions on the object in `what`. `send` is a line of the link without its newline; `send_hex` any
bytes."""


class ScenarioError(ValueError):
    """The file is not a valid scenario; the text says where and why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action at `at_ns` of the bench's time."""

    at_ns: int
    do: str
    what: str = ""

    def __post_init__(self) -> None:
        if self.at_ns < 0:
            raise ScenarioError(f"{self.at_ns / NS_PER_MS} ms is negative")
        if self.do in ALONE:
            if self.what:
                raise ScenarioError(f"'{self.do}' takes no 'what'")
        elif self.do in ("hold", "release"):
            _one_of(self.do, self.what, BUTTONS)
        elif self.do in ("mishap", "mend"):
            _one_of(self.do, self.what, MISHAPS)
        elif self.do == "send_hex":
            try:
                bytes.fromhex(self.what)
            except ValueError:
                raise ScenarioError(f"send_hex: '{self.what}' is not hexadecimal") from None
        elif self.do == "send":
            if not self.what.isascii():
                raise ScenarioError("send: the link's lines are ASCII")
        else:
            raise ScenarioError(f"unknown action '{self.do}'; known: {_ACTIONS}")

    def apply(self, bench: Bench) -> None:
        """Apply this step to `bench` now."""
        match self.do:
            case "power_on":
                bench.power_on()
            case "cut_power":
                bench.cut_power()
            case "estop_open":
                bench.estop_open()
            case "estop_close":
                bench.estop_close()
            case "aim_away":
                bench.plant.point(bench.clock.now_ns, False)
            case "aim_at_skin":
                bench.plant.point(bench.clock.now_ns, True)
            case "hold":
                bench.hold(self.what)
            case "release":
                bench.release(self.what)
            case "mishap":
                bench.mishap(self.what)
            case "mend":
                bench.mend(self.what)
            case "send":
                bench.host_write(self.what.encode("ascii") + b"\n")
            case _:
                bench.host_write(bytes.fromhex(self.what))

    def line(self) -> str:
        """This step as a line of the file."""
        what = f", what = {_quoted(self.what)}" if self.what else ""
        return f'{{ at_ms = {_ms(self.at_ns)}, do = "{self.do}"{what} }}'


_ACTIONS = ", ".join((*ALONE, *NAMED, "press"))


def sending(at_ns: int, data: bytes) -> Step:
    """The step that sends `data` to the device: as text if it is one line, otherwise in hex."""
    line = data[:-1]
    if data.endswith(b"\n") and all(32 <= byte < 127 for byte in line):
        return Step(at_ns, "send", line.decode("ascii"))
    return Step(at_ns, "send_hex", data.hex())


@dataclass(frozen=True, slots=True)
class Scenario:
    """Steps ordered by time, until `end_ns`. `about`: a description."""

    steps: tuple[Step, ...]
    end_ns: int
    seed: int = 1
    about: str = ""
    firmware: str = ""
    """The firmware's version during recording; for information."""
    skin_sensor: bool = False
    """Whether the optional infrared sensor is fitted."""

    def __post_init__(self) -> None:
        last_ns = 0
        for step in self.steps:
            if step.at_ns < last_ns:
                raise ScenarioError(f"the step at {_ms(step.at_ns)} ms follows a later one")
            last_ns = step.at_ns
        if not last_ns <= self.end_ns <= LONGEST_NS:
            raise ScenarioError("end_ms is before the last step, or more than a day")

    def text(self) -> str:
        """The text of the file."""
        lines = [
            "# A session on the simulated Cryodose applicator. Times are ms of the device's time.",
            "# Replay: cryo panel --replay FILE",
            "",
            f"version = {VERSION}",
            f"seed = {self.seed}",
        ]
        if self.about:
            lines.append(f"about = {_quoted(self.about)}")
        if self.firmware:
            lines.append(f"firmware = {_quoted(self.firmware)}")
        if self.skin_sensor:
            lines.append("skin_sensor = true")
        lines.append(f"end_ms = {_ms(self.end_ns)}")
        lines.append("steps = [")
        lines += [f"  {step.line()}," for step in self.steps]
        lines.append("]")
        return "\n".join(lines) + "\n"

    def play(self, bench: Bench) -> None:
        """Apply all steps to a new `bench` at their times, and run to the end.

        The bench must have been created with this scenario's `seed` and `skin_sensor`.
        """
        for step in self.steps:
            run_to(bench, step.at_ns)
            step.apply(bench)
        run_to(bench, self.end_ns)


def run_to(bench: Bench, t_ns: int) -> None:
    """Run the bench until `t_ns`; no-op if that is past."""
    left_ns = t_ns - bench.clock.now_ns
    if left_ns > 0:
        bench.run_for(left_ns / NS_PER_MS)


def parse(text: str) -> Scenario:
    """The scenario in a file's text. ScenarioError if it is not valid."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"not TOML: {error}") from None
    if document.get("version") != VERSION:
        raise ScenarioError(f"version = {VERSION} is missing")
    if not isinstance(document.get("steps"), list):
        raise ScenarioError("steps = [ ... ] is missing")
    rows = cast("list[Any]", document["steps"])
    steps: list[Step] = []
    for number, row in enumerate(rows, 1):
        try:
            steps += steps_of(row)
        except ScenarioError as error:
            raise ScenarioError(f"step {number}: {error}") from None
    steps.sort(key=lambda step: step.at_ns)  # the release of a press may be after the next step
    last_ns = steps[-1].at_ns if steps else 0
    seed = document.get("seed", 1)
    if not isinstance(seed, int):
        raise ScenarioError("seed must be an integer")
    return Scenario(
        tuple(steps),
        _ns(document["end_ms"]) if "end_ms" in document else last_ns,
        seed,
        str(document.get("about", "")),
        str(document.get("firmware", "")),
        document.get("skin_sensor") is True,
    )


def steps_of(row: Any) -> list[Step]:
    """The steps of one row of a file; a press gives two. ScenarioError if it is not valid."""
    if not isinstance(row, dict) or "at_ms" not in row or "do" not in row:
        raise ScenarioError("expected { at_ms = ..., do = ... }")
    table = cast("dict[str, Any]", row)
    at_ns = _ns(table["at_ms"])
    unknown = set(table) - {"at_ms", "do", "what"}
    what = str(table.get("what", ""))
    if table["do"] == "press":
        if unknown - {"ms"}:
            raise ScenarioError(f"unknown: {', '.join(sorted(unknown))}")
        end_ns = at_ns + _ns(table.get("ms", 80))
        return [Step(at_ns, "hold", what), Step(end_ns, "release", what)]
    if unknown:
        raise ScenarioError(f"unknown: {', '.join(sorted(unknown))}")
    return [Step(at_ns, str(table["do"]), what)]


def load(path: Path) -> Scenario:
    """The scenario in a file. ScenarioError; OSError."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ScenarioError("the file is not text") from None


class Recorder:
    """Records the steps of a session.

    It stops, and sets `full`, after `most` steps, after `most_text` characters in `what`, or at
    `LONGEST_NS`. A repetition of an earlier action takes 12 bytes.
    """

    def __init__(self, most: int = 50_000, most_text: int = LONGEST_TEXT // 2) -> None:
        self.most = most
        self.full = False
        self._room = most_text
        self._at_ns = array("q")
        self._which = array("I")
        self._words: list[tuple[str, str]] = []
        self._number: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._at_ns)

    @property
    def steps(self) -> list[Step]:
        """All recorded steps."""
        return [
            Step(at_ns, *self._words[which])
            for at_ns, which in zip(self._at_ns, self._which, strict=True)
        ]

    def add(self, step: Step) -> None:
        """Record a step that has just been applied."""
        room = self._room - len(step.what)
        if self.full or len(self) >= self.most or room < 0 or step.at_ns > LONGEST_NS:
            self.full = True
            return
        self._room = room
        words = step.do, step.what
        which = self._number.get(words)
        if which is None:
            which = self._number[words] = len(self._words)
            self._words.append(words)
        self._at_ns.append(step.at_ns)
        self._which.append(which)

    def scenario(self, end_ns: int, **words: Any) -> Scenario:
        """The recording up to `end_ns`, or up to its last step if it is full."""
        steps = self.steps
        if self.full:
            end_ns = steps[-1].at_ns if steps else 0
        return Scenario(tuple(steps), min(end_ns, LONGEST_NS), **words)


def _one_of(do: str, what: str, known: Iterable[str]) -> None:
    names = list(known)
    if what not in names:
        raise ScenarioError(f"{do}: unknown '{what}'; known: {', '.join(names)}")


def _ns(ms: object) -> int:
    if isinstance(ms, bool) or not isinstance(ms, (int, Decimal)):
        raise ScenarioError(f"'{ms}' is not a number of milliseconds")
    if not 0 <= ms <= LONGEST_NS // NS_PER_MS:
        raise ScenarioError(f"{ms} ms is not between 0 and a day")
    return int(ms * NS_PER_MS)


def _ms(ns: int) -> str:
    whole, rest = divmod(ns, NS_PER_MS)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)


def _quoted(text: str) -> str:
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"  # a literal string: no backslashes
    # A JSON string is a TOML basic string, except for DEL and escaped non-BMP characters.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")
