"""`cryo doctor`: a technician's guided check of a newly built board, with a report for the file.

Imported only when the command is run; imports `device`, `errors`, `link`, `report` (in a function)
and the standard library. The host reads and asks; it switches nothing by itself. A check that
lights, sounds or switches anything is begun at the device by holding SELECT, and a switch of the
valve is on only while SELECT is held there (H-29).
"""

from __future__ import annotations

import getpass
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from host_tools.errors import CryoError, LinkError, Refused

if TYPE_CHECKING:
    from host_tools.device import Device
    from host_tools.link import Message

PASSED, FAILED, NOT_DONE, NOT_FITTED = "passed", "failed", "not done", "not fitted"

BUTTONS = ("TRIGGER", "UP", "DOWN", "SELECT", "ARM")
"""In the order of the bits of `buttons`."""

POLL_S = 0.1
HELD_POLL_S = 0.5
"""Between two looks while a switch is on: each look costs the device some of a tick."""
PATIENCE_S = 30.0
"""For a button, the E-stop, a warm finger."""
CLOCK_S = 5
"""By how much the clock chip may differ from this computer."""
COIL_OFF_MA = 30
"""docs/hardware.md: below this the coil is off."""

_AUTO, _TYPE_T = 0x80, 0x07
_CHIP_FAULTS = (
    "open", "over- or under-voltage", "low", "high", "cold junction low", "cold junction high",
    "range", "cold junction range",
)  # fmt: skip
"""Bits of the MAX31856's SR, from bit 0 on."""

_LEFT_OUT = (
    "The valve's opening: both switches are never on together here. The first PRECHILL proves "
    "it (coil current within 60 ms, closing by the nozzle).",
    "The span of the level and pressure sensors: only that they read empty and vented.",
    "That the E-stop's contact breaks the coil's supply: measure it at the valve's plug with the "
    "E-stop struck (docs/hardware.md, test fixture).",
)


@dataclass
class Check:
    """One line of the report."""

    group: str
    name: str
    verdict: str
    measured: str = ""
    wanted: str = ""
    hint: str = ""
    """What to do if it failed."""


@dataclass
class Report:
    """All checks of one run, and of which board."""

    serial: str
    fw: str
    micropython: str
    begun: str
    technician: str
    checks: list[Check] = field(default_factory=list[Check])
    faults: list[str] = field(default_factory=list[str])

    @property
    def verdict(self) -> str:
        """`failed`, `incomplete` or `passed`."""
        verdicts = {check.verdict for check in self.checks}
        if FAILED in verdicts:
            return FAILED
        return "incomplete" if NOT_DONE in verdicts or not verdicts else PASSED


class Technician(Protocol):
    """Who stands at the board."""

    def tell(self, text: str) -> None:
        """Say what to do next; do not wait."""
        ...

    def ask(self, text: str) -> bool | None:
        """A question: yes, no, or None (leave it out)."""
        ...

    def done(self, check: Check) -> None:
        """A check has its verdict."""
        ...


class Doctor:
    """The course of the check. `device`: open; `technician`: does what is asked for."""

    def __init__(self, device: Device, technician: Technician, by: str) -> None:
        self.device = device
        self.technician = technician
        hello = device.hello()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self.report = Report(hello.serial, hello.fw, hello.micropython, now, by)
        self._group = ""

    # -- tools

    def _request(self, do: str, **fields: Any) -> Message:
        return self.device.link.request("doctor", do=do, **fields)

    def read(self) -> Message:
        """Everything that the device can read."""
        return self._request("read")

    def _add(
        self, name: str, good: bool | None, measured: str, wanted: str, hint: str = ""
    ) -> bool:
        verdict = NOT_DONE if good is None else PASSED if good else FAILED
        return self._put(Check(self._group, name, verdict, measured, wanted, hint))

    def _put(self, check: Check) -> bool:
        if check.verdict in (PASSED, NOT_FITTED):
            check.hint = ""
        self.report.checks.append(check)
        self.technician.done(check)
        return check.verdict == PASSED

    def _wait(
        self, good: Callable[[Message], bool], seconds: float = PATIENCE_S, poll_s: float = POLL_S
    ) -> tuple[bool, Message]:
        """Look until `good`; the last look."""
        link = self.device.link
        end_s = link.now_s + seconds
        while True:
            seen = self.read()
            if good(seen):
                return True, seen
            if link.now_s >= end_s:
                return False, seen
            link.wait_event(lambda _: False, poll_s)

    # -- the course

    def run(self, *, read_only: bool = False, valve: bool = True) -> Report:
        """The whole check, or the readings alone, which need nobody at the device."""
        self._readings()
        if read_only:
            return self.report
        self._estop()
        if self._begin():
            try:
                self._buttons()
                self._shown()
                self._nozzle()
                if valve:
                    self._switches()
                else:
                    self._group = "Switches of the valve"
                    self._add("GATE and SUPPLY, each alone", None, "left out", "")
            finally:
                try:
                    self._request("end")
                except CryoError:  # the first error is the one to be told; it ends by itself
                    pass
        return self.report

    def _readings(self) -> None:
        self._group = "Readings at rest"
        seen = self.read()
        self.report.faults = self._faults()
        self._add(
            "Buttons released", seen["buttons"] == 0, _keys(seen["buttons"]) or "none is closed",
            "none is closed", "wires of the button to ground",
        )  # fmt: skip
        self._add(
            "E-stop loop", seen["estop"] == 1, "closed" if seen["estop"] else "open", "closed",
            "turn the E-stop back; else its plug, R at the pin",
        )  # fmt: skip
        low = f"GATE {seen['gate']}, SUPPLY {seen['supply']}"
        self._add("GATE and SUPPLY low", low == "GATE 0, SUPPLY 0", low, "GATE 0, SUPPLY 0")
        self._span("Coil current at rest", seen["coil_mv"], 0, COIL_OFF_MA - 1, "mA",
                   "offset of the current amplifier")  # fmt: skip
        self._span("Board supply", seen["vsys_mv"], 4300, 5500, "mV", "USB cable, 5 V supply")
        self._span("Level sensor", seen["level_mv"], 300, 2700, "mV", "plug of the level probe")
        self._span("Pressure sensor", seen["pressure_mv"], 150, 3150, "mV",
                   "plug of the pressure sensor")  # fmt: skip
        self._chip(seen)
        self._add("Display acknowledges", seen["screen"] is True, "yes" if seen["screen"] else "no",
                  "yes", "SDA, SCL, 3.3 V; its address must be 0x3C")  # fmt: skip
        self._clock(seen)
        self._skin(seen)

    def _span(self, name: str, value: int, low: int, high: int, unit: str, hint: str) -> None:
        self._add(name, low <= value <= high, f"{value} {unit}", f"{low} to {high} {unit}", hint)

    def _chip(self, seen: Message) -> None:
        cr0, cr1, status = seen["nozzle_registers"]
        good = bool(cr0 & _AUTO) and cr1 & 0x0F == _TYPE_T
        self._add(
            "Thermocouple chip", good,
            f"CR0 0x{cr0:02X}, CR1 0x{cr1:02X}, filter for {50 if cr0 & 1 else 60} Hz",
            "converts by itself, type T", "MISO, MOSI, SCK, CS of the chip; all 0 or FF: absent",
        )  # fmt: skip
        words = [name for bit, name in enumerate(_CHIP_FAULTS) if status >> bit & 1]
        self._add("Thermocouple", good and not status, ", ".join(words) or "no fault bit",
                  "no fault bit", "plug and wires of the thermocouple")  # fmt: skip
        nozzle, junction = seen["nozzle_c_x100"], seen["cold_junction_c_x100"]
        near = nozzle is not None and abs(nozzle - junction) <= 500 and 0 <= nozzle <= 5000
        self._add(
            "Nozzle at the room's temperature", near,
            f"{_degrees(nozzle)}, chip {_degrees(junction)}", "within 5 K of the chip, 0 to 50 °C",
            "polarity (T: blue or white and blue is +), type, or the nozzle is still cold",
        )  # fmt: skip

    def _clock(self, seen: Message) -> None:
        state = seen["clock"]
        if state == 0:
            self._put(Check(self._group, "Clock chip", NOT_FITTED, "no answer", "optional"))
            return
        if state == 1:
            self._add("Clock chip", False, "has lost its power since it was set",
                      "runs", "battery; then `cryo time --set`")  # fmt: skip
            return
        off_s = seen["utc_s"] - round(datetime.now(UTC).timestamp())
        self._add("Clock chip", abs(off_s) <= CLOCK_S, f"{off_s:+d} s", f"within {CLOCK_S} s of "
                  "this computer", "`cryo time --set`")  # fmt: skip

    def _skin(self, seen: Message) -> None:
        word = seen["skin_word"]
        if word is None:
            self._put(Check(self._group, "Skin sensor", NOT_FITTED, "no answer", "optional"))
            return
        c_x100 = word * 2 - 27315
        good = not word & 0x8000 and -1000 <= c_x100 <= 6000
        self._add("Skin sensor", good, "error flag" if word & 0x8000 else _degrees(c_x100),
                  "-10 to 60 °C, checksum right", "the 3 V variant (MLX90614ESF-B..)")  # fmt: skip

    def _faults(self) -> list[str]:
        status = self.device.link.request("status")
        names = {int(row[0]): str(row[1]) for row in self.device.describe("faults").rows}
        return [names.get(number, str(number)) for number in status.get("faults", [])]

    def _estop(self) -> None:
        self._group = "Emergency stop"
        self.technician.tell("Strike the E-stop.")
        good, seen = self._wait(lambda now: now["estop"] == 0 and now["state"] == "FAULT")
        self._add("Struck: loop open, FAULT", good, f"{_loop(seen)}, {seen['state']}",
                  "open, FAULT", "both contacts of the E-stop")  # fmt: skip
        self.technician.tell("Turn the E-stop back.")
        good, seen = self._wait(lambda now: now["estop"] == 1)
        stays = seen["state"] == "FAULT"
        self._add("Turned back: loop closed, FAULT stays", good and stays,
                  f"{_loop(seen)}, {seen['state']}", "closed, FAULT")  # fmt: skip
        self.technician.tell("Hold SELECT for 2 s.")
        good, seen = self._wait(lambda now: now["state"] == "READY")
        self._add("Acknowledged at the device", good, str(seen["state"]), "READY",
                  "other faults are latched: `cryo status` names them")  # fmt: skip
        self.report.faults = self._faults()

    def _begin(self) -> bool:
        self._group = "Begun at the device"
        name = "SELECT held at the device"
        try:
            reply = self._request("begin")
        except Refused as refusal:
            hint = f"latched: {', '.join(self.report.faults)}" if self.report.faults else ""
            self._add(name, None, refusal.text, "", hint)
            return False
        if reply.get("open") is not True:
            self.technician.tell("The device asks: hold SELECT for 1 s.")
            seconds = float(reply.get("expires_s", 60.0))
            good, _ = self._wait(lambda now: now["open"] is True, seconds)
            if not good:
                self._add(name, None, "nobody confirmed it", "", "hold SELECT when it asks")
                return False
        return self._add(name, True, "yes", "yes")

    def _buttons(self) -> None:
        self._group = "Buttons"
        for bit, name in enumerate(BUTTONS):
            before = self.read()["presses"]
            self.technician.tell(f"Press {name} shortly.")

            def pressed(now: Message, bit: int = bit, before: list[int] = before) -> bool:
                return now["presses"][bit] != before[bit] and not now["buttons"]

            good, seen = self._wait(pressed)
            others = [
                BUTTONS[i] for i, (old, new) in enumerate(zip(before, seen["presses"], strict=True))
                if i != bit and old != new
            ]  # fmt: skip
            count = (seen["presses"][bit] - before[bit]) % 256
            measured = f"{count} press{'es' * (count != 1)}" + "".join(f", {n} too" for n in others)
            self._add(name, good and count == 1 and not others, measured, "1 press, no other",
                      "more than one: bounces over 10 ms; another: wires crossed")  # fmt: skip

    def _shown(self) -> None:
        self._group = "Lamps, sound, screen"
        parts = (
            ("green", "Green lamp", "Is the green lamp lit, and no other?"),
            ("yellow", "Yellow lamp", "Is the yellow lamp lit, and no other?"),
            ("red", "Red lamp", "Is the red lamp lit, and no other?"),
            ("sound", "Sounder", "Did you hear three tones, rising?"),
            ("screen", "Screen", "Are all dots of the screen lit, without a gap?"),
        )
        for part, name, question in parts:
            self._request("show", part=part)
            answer = self.technician.ask(question)
            self._add(name, answer, _said(answer), "yes")

    def _nozzle(self) -> None:
        self._group = "Nozzle"
        before = self.read()["nozzle_c_x100"]
        self.technician.tell("Hold the nozzle's tip between two warm fingers.")
        good, seen = self._wait(
            lambda now: (
                None not in (before, now["nozzle_c_x100"]) and now["nozzle_c_x100"] >= before + 200
            )
        )
        measured = f"{_degrees(before)} to {_degrees(seen['nozzle_c_x100'])}"
        self._add("Warms under a finger", good, measured, "2 K and more",
                  "falls: polarity; stays: the bead is not at the tip, or wires touch")  # fmt: skip

    def _switches(self) -> None:
        self._group = "Switches of the valve, its plug out"
        ask = self.technician.ask
        if ask("Dewar empty and vented, hand valve closed, the valve's plug out, fixture in?"):
            lamps = {"supply": "the fixture's lamp SUPPLY", "gate": "the fixture's lamp GATE"}
            for which in ("supply", "gate"):
                self._switch(which, f"Was {lamps[which]} lit while SELECT was held, and only it?")
        else:
            self._add("SUPPLY alone, GATE alone", None, "left out", "")
        self._group = "Switches of the valve, its plug in"
        if ask("Fixture out, the valve's plug in, the dewar still empty and vented?"):
            for which in ("supply", "gate"):
                self._switch(which, "Did the valve stay silent, without a click?")
        else:
            self._add("SUPPLY alone, GATE alone", None, "left out", "")

    def _switch(self, which: str, question: str) -> None:
        name = f"{which.upper()} alone"
        try:
            self._request("switch", which=which)
        except Refused as refusal:
            self._add(name, None, refusal.text, "")
            return
        self.technician.tell(f"{name}: hold SELECT for 2 s, and look; let go at any time.")
        _, seen = self._wait(
            lambda now: now.get("outcome") not in ("waiting", "on"), PATIENCE_S * 2, HELD_POLL_S
        )
        outcome = str(seen.get("outcome", "the check was closed"))
        current = int(seen.get("coil_ma", 0))
        measured = f"{outcome} after {seen.get('on_ms', 0)} ms, coil at most {current} mA"
        if outcome not in ("released", "full time"):
            self._add(name, False if outcome == "current" else None, measured, "released",
                      "current with one switch on: the other has failed shorted")  # fmt: skip
            return
        answer = self.technician.ask(question)
        good = None if answer is None else answer and current < COIL_OFF_MA
        self._add(name, good, f"{measured}; {_said(answer)}", f"yes, below {COIL_OFF_MA} mA",
                  "the switch, its driver, its pin")  # fmt: skip


def _keys(mask: int) -> str:
    return ", ".join(name for bit, name in enumerate(BUTTONS) if mask >> bit & 1)


def _degrees(c_x100: int | None) -> str:
    return "no reading" if c_x100 is None else f"{c_x100 / 100:.1f} °C"


def _loop(seen: Message) -> str:
    return "closed" if seen["estop"] else "open"


def _said(answer: bool | None) -> str:
    return "left out" if answer is None else "yes" if answer else "no"


# -- the report -----------------------------------------------------------------------------------


def html(report: Report) -> str:
    """The report as one self-contained page, for A4 and Letter."""
    from host_tools.report import page

    kind = {PASSED: "good", FAILED: "bad"}.get(report.verdict, "warn")
    parts = [
        "<article><header><div><h1>Board check</h1><p>Cryodose, liquid nitrogen applicator</p>"
        f'</div><div class="badge {kind}">{escape(report.verdict)}</div></header>',
        "<dl>" + "".join(
            f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in (
                ("Device", report.serial), ("Begun (UTC)", report.begun),
                ("Firmware", report.fw), ("MicroPython", report.micropython),
                ("Technician", report.technician),
                ("Faults latched", ", ".join(report.faults) or "none"),
            )
        ) + "</dl>",
    ]  # fmt: skip
    groups = list(dict.fromkeys(check.group for check in report.checks))
    for group in groups:
        parts += [f"<h2>{escape(group)}</h2>", _rows(c for c in report.checks if c.group == group)]
    parts += [
        "<h2>Not checked here</h2><ul>",
        *(f"<li>{escape(text)}</li>" for text in _LEFT_OUT),
        '</ul><div class="sign"><div>Name</div><div>Signature</div><div>Date</div></div></article>',
    ]
    return page(f"Board check of {report.serial}", "\n".join(parts))


_KINDS = {PASSED: "good", FAILED: "bad", NOT_DONE: "warn", NOT_FITTED: "quiet"}


def _rows(checks: Iterable[Check]) -> str:
    rows = "".join(
        f"<tr><td>{escape(check.name)}</td><td>{escape(check.measured)}"
        + (f'<br><span class="quiet small">{escape(check.hint)}</span>' if check.hint else "")
        + f"</td><td>{escape(check.wanted)}</td>"
        f'<td class="{_KINDS[check.verdict]}"><b>{check.verdict}</b></td></tr>'
        for check in checks
    )
    head = "<th>check</th><th>found</th><th>wanted</th><th></th>"
    widths = "".join(f'<col style="width:{part}%">' for part in (30, 30, 27, 13))
    return (
        f"<table><colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


# -- the command ----------------------------------------------------------------------------------


class AtTerminal:
    """A technician who reads the terminal and answers there."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._group = ""

    def tell(self, text: str) -> None:
        """Print what to do."""
        print(f"  > {text}", file=sys.stderr, flush=True)

    def ask(self, text: str) -> bool | None:
        """y, n, or s to leave it out."""
        while True:
            print(f"  ? {text} [y/n/s] ", end="", file=sys.stderr, flush=True)
            line = sys.stdin.readline()
            word = line.strip().lower()[:1]
            if not line or word == "s":
                return None
            if word in ("y", "n"):
                return word == "y"

    def done(self, check: Check) -> None:
        """Print the verdict."""
        if self._quiet:
            return
        if check.group != self._group:
            self._group = check.group
            print(self._group)
        wanted = f" (wanted: {check.wanted})" if check.verdict == FAILED else ""
        hint = f"; see to: {check.hint}" if check.hint else ""
        print(f"  {check.verdict:10} {check.name}: {check.measured}{wanted}{hint}", flush=True)


def run(args: Namespace, device: Device) -> tuple[dict[str, Any], int]:
    """`cryo doctor`: what was found, and the exit code: 0, or 8 unless everything passed."""
    from host_tools.report import write

    doctor = Doctor(device, AtTerminal(quiet=args.json), str(args.by or getpass.getuser()))
    report = doctor.report
    path = Path(args.output or f"board-{report.serial}.html")
    try:
        doctor.run(read_only=args.read_only, valve=not args.no_valve)
    except LinkError as error:
        check = Check("Conversation with the device", "Answers", FAILED, error.text, "", error.hint)
        report.checks.append(check)
        raise
    finally:
        write(path, html(report))
    data = {**asdict(report), "verdict": report.verdict, "file": str(path)}
    if not args.json:
        print(f"{report.verdict}: {path}")
    return data, 0 if report.verdict == PASSED else 8
