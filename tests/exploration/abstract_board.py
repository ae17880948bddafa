"""The firmware's own modules over an abstract board, with snapshots: what the exploration moves.

The modules are loaded as the fast bench loads them. Under them lies no chip: readings are verdicts,
the dose timer and the dead-man are what docs/proofs.md proves of them, the flash is a list of
records. Time is the board's own; every tick of the firmware is its own `App.tick`.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from hw_sim.bench import FastBench
from tests.rules.source import CRYO

TRIGGER, UP, DOWN, SELECT, ARM = 1, 2, 4, 8, 16
COMPLETE = (1 << 30) - 1
DEAD_MAN_US = 60_000
TICK_US = 10_000
WRAP_US = (1 << 30) * 1000
NEVER_US = 1 << 60

# What can break, one or two at a time.
BREAKS = (
    "nozzle", "pressure_sensor", "level_sensor", "pressure", "level", "supply_low", "coil_open",
    "gate_short", "coil_bias", "stuck", "screen", "flash", "timer", "no_liquid",
)  # fmt: skip


_CONSTANT = (int, str, bytes, tuple, frozenset, float, type(None), ModuleType)
_LEAVES = frozenset(
    (int, str, bytes, tuple, frozenset, float, bool, type(None), ModuleType, FunctionType,
     MethodType, BuiltinFunctionType, type)
)  # fmt: skip


def _count(mv: float) -> int:
    return round(mv * 65535 / 3300)


@dataclass
class Level:
    """A pin that is written: a lamp, or a PWM."""

    level: int = 0

    def value(self, level: int | None = None) -> int:
        if level is not None:
            self.level = level
        return self.level

    def freq(self, _hz: int) -> None:
        pass

    def duty_u16(self, _duty: int) -> None:
        pass


class Gate:
    """The dose timer, as proved: high for 2 N + 2 us, low as the loop opens; it reports X."""

    def __init__(self, board: AbstractBoard) -> None:
        self.board = board
        self.rx: list[int] = []
        self.ends_us = -1  # of the running count; -1: none
        self.begun_us = 0
        self.count = 0
        self.high = 0
        self.y = 0

    def active(self, _on: int) -> None:
        pass

    def put(self, count: int) -> None:
        self.board.opens(count)
        if not self.board.loop_closed:
            self.rx.append(count)
            return
        self.count, self.high, self.begun_us = count, 1, self.board.now_us
        self.ends_us = self.board.now_us + 2 * count + 2
        if "timer" in self.board.broken:
            self.ends_us = NEVER_US

    def _left(self) -> int:
        if self.ends_us < 0:
            return COMPLETE
        return max(self.count - (self.board.now_us - self.begun_us) // 2, 0)

    def abort(self) -> None:
        """The loop has opened."""
        if self.ends_us >= 0:
            self.rx.append(self._left())
            self.ends_us, self.high = -1, 0

    def due(self) -> None:
        """The count has ended."""
        if 0 <= self.ends_us <= self.board.now_us:
            self.rx.append(COMPLETE)
            self.ends_us, self.high = -1, 0

    def exec(self, word: int) -> None:
        names = self.board.words
        if word == names["_MOV_Y_X"]:
            self.y = self._left()
        elif word == names["_SET_X_0"]:
            if self.ends_us >= 0 and "timer" not in self.board.broken:
                self.rx.append(COMPLETE)
                self.ends_us, self.high = -1, 0
        elif word == names["_PUSH_NOBLOCK"]:
            if "timer" not in self.board.broken:
                self.rx.append(self.y)
        elif word == names["_SET_PINS_0"]:
            self.high = 0

    def get(self) -> int:
        return self.rx.pop(0)

    def rx_fifo(self) -> int:
        return len(self.rx)

    def tx_fifo(self) -> int:
        return 0

    def value(self) -> int:
        return self.high


class Supply:
    """The dead-man, as proved: one word raises it, it falls 60 ms after the last word."""

    def __init__(self, board: AbstractBoard) -> None:
        self.board = board
        self.until_us = -1

    def active(self, _on: int) -> None:
        pass

    def exec(self, _word: int) -> None:
        pass

    def put(self, word: int) -> None:
        if word == self.board.words["_RAISE"] or self.value():
            self.until_us = self.board.now_us + 30 * word if word else -1

    def tx_fifo(self) -> int:
        return 0

    def value(self) -> int:
        return int(self.board.now_us < self.until_us)


class Screen:
    """An OLED that acknowledges, or does not."""

    def __init__(self, board: AbstractBoard) -> None:
        self.board = board
        self.silent = 0

    def start(self) -> bool:
        return True

    def light(self) -> bool:
        return True

    def contrast(self, _value: int) -> None:
        pass

    def page(self, _page: int, _data: Any) -> bool:
        if "screen" in self.board.broken:
            self.silent += 1
            return False
        self.silent = 0
        return True


class Port:
    """No host is connected."""

    def read_byte(self) -> int:
        return -1

    def can_write(self) -> bool:
        return True

    def drained(self) -> bool:
        return True

    def write(self, _data: bytes) -> None:
        pass

    def write_byte(self, _byte: int) -> None:
        pass


@dataclass
class Thermocouple:
    """The nozzle's temperature: cold with flow, warming without."""

    board: AbstractBoard
    c: float = 20.0

    def passes(self, us: int) -> None:
        seconds = us / 1e6
        if self.board.flows:
            floor = -60.0 if "no_liquid" in self.board.broken else -192.0
            self.c = floor + (self.c - floor) * max(0.0, 1 - seconds / 0.15)
        else:
            self.c = 20.0 + (self.c - 20.0) * 2.718281828 ** (-seconds / 25.0)

    def read_into(self, nozzle: Any) -> None:
        fault = 1 if "nozzle" in self.board.broken else 0
        nozzle.step(round(self.c * 128) & 0x7FFFF, fault)


class Skin:
    """Not fitted."""

    def read_into(self, skin: Any) -> None:
        skin.step(0x10000)

    def answers(self) -> bool:
        return False

    def start(self) -> None:
        pass


@dataclass
class Ghost:
    """What the exploration knows beside the firmware."""

    high_us: int = 0  # the gate, in the present or last opening
    flow_us: int = 0  # gate and supply
    planned_us: int = 0
    timer_failed: bool = False  # in this opening
    open_record: int = 0  # kind of the BEGIN that is in flash, until its END is recorded
    records: list[int] = field(default_factory=list[int])  # kinds, the last few
    ended: tuple[int, int] = (0, 0)  # cause and delivered time of the last END record
    openings: int = 0
    arm_since_us: int = -1
    armed: bool = False
    trigger_released: bool = True  # since ARMED or PRECHILL was entered
    silent_us: int = 0  # since the last tick
    flow_silent_us: int = 0  # flow in it
    shown: int = -1
    violations: list[str] = field(default_factory=list[str])


class AbstractBoard:
    """All that App needs of a board, and the hand that presses its buttons."""

    def __init__(self, words: dict[str, int]) -> None:
        self.words = words
        self.now_us = WRAP_US - 4_000_000  # the ticks wrap soon
        self.raw = 0
        self.loop_closed = True
        self.broken: frozenset[str] = frozenset()
        self.ghost = Ghost()
        self.gate = Gate(self)
        self.supply = Supply(self)
        self.gate_pin, self.supply_pin, self.estop_pin = self.gate, self.supply, Level(1)
        self.serial, self.micropython = b"e661640843275b2c", "1.23.0"
        self.green, self.yellow, self.red, self.buzzer = Level(), Level(), Level(), Level()
        self.screen, self.port, self.skin = Screen(self), Port(), Skin()
        self.thermocouple = Thermocouple(self)
        self.was_reset = False

    # -- as the firmware's Board

    def start(self) -> None:
        pass

    def ticks_ms(self) -> int:
        return self.now_us // 1000 & 0x3FFFFFFF

    def ticks_us(self) -> int:
        return self.now_us & 0x3FFFFFFF

    def sleep_ms(self, _ms: int) -> None:
        pass

    def read_buttons(self) -> int:
        return self.raw

    def estop_closed(self) -> bool:
        return self.loop_closed

    def coil(self) -> int:
        on = self.gate.high or "gate_short" in self.broken
        ma = 350 if on and self.supply.value() and self.loop_closed else 0
        if "coil_open" in self.broken:
            ma = 0
        return _count(400 if "coil_bias" in self.broken else ma)

    def pressure(self) -> int:
        if "pressure_sensor" in self.broken:
            return 0
        return _count(330 + 1.32 * (1500 if "pressure" in self.broken else 600))

    def level(self) -> int:
        if "level_sensor" in self.broken:
            return 0
        return _count(500 + 2.0 * (10 if "level" in self.broken else 900))

    def vsys(self) -> int:
        return _count((3000 if "supply_low" in self.broken else 5000) / 3)

    def feed(self) -> None:
        pass

    def leave_behind(self, _doing: int, _number: int) -> None:
        pass

    def reset(self) -> None:
        self.was_reset = True

    # -- the plant and the hand

    @property
    def flows(self) -> bool:
        """Nitrogen flows."""
        on = self.gate.high and self.supply.value() and self.loop_closed
        opened = "stuck" in self.broken and self.ghost.openings and self.thermocouple.c < -100
        return bool(on or opened)

    def opens(self, count: int) -> None:
        """The firmware gives the dose timer a count: here every opening begins."""
        ghost = self.ghost
        ghost.openings += 1
        ghost.high_us = ghost.flow_us = 0
        ghost.planned_us = 2 * count + 2
        ghost.timer_failed = "timer" in self.broken

    def advance(self, us: int) -> None:
        """Time passes in pieces that end where the timer or the dead-man act."""
        ghost = self.ghost
        end = self.now_us + us
        while self.now_us < end:
            stops = [end]
            for at in (self.gate.ends_us, self.supply.until_us):
                if self.now_us < at < end:
                    stops.append(at)
            piece = min(stops) - self.now_us
            if self.gate.high:
                ghost.high_us += piece
                if self.supply.value() and self.loop_closed:
                    ghost.flow_us += piece
                    ghost.flow_silent_us += piece
            self.thermocouple.passes(piece)
            ghost.silent_us += piece
            self.now_us += piece
            self.gate.due()

    def strike(self, closed: bool) -> None:
        """The E-stop is struck, or turned back."""
        self.loop_closed = closed
        self.estop_pin.level = int(closed)
        if not closed:
            self.gate.abort()


class Device:
    """App and modules of one boot over an abstract board; the state can be kept and put back."""

    def __init__(self, *, confirmed: bool = True, **settings: int) -> None:
        bench = FastBench()
        bench.power_on()
        bench.run_for(400)
        boot = bench.chip.boot
        assert boot is not None
        self._stateful: dict[str, bool] = {}
        self._bench = bench  # keeps the modules' loader alive
        self.modules: dict[str, Any] = boot.loader.modules
        valve = self.cryo("valve")
        words = {k: v for k, v in vars(valve).items() if isinstance(v, int)}
        self.board = board = AbstractBoard(words)
        machines = [board.gate, board.supply]
        valve.rp2 = type(
            "rp2", (), {"StateMachine": staticmethod(lambda n, *_a, **_k: machines[n])}
        )
        self._reset_modules()
        self.app: Any = self.cryo("app").App(board)
        self._abstract_flash()
        values = self.app.settings.values
        schema = self.cryo("schema")
        for name, value in ({"PRECHILL": 1, "SCREENING": 0} | settings).items():
            values[getattr(schema, name)] = value
        if confirmed:  # the cautions of every applicator, since this start. H-26
            for applicator in range(1, 8):
                self.cryo("arming").confirm(applicator, 0xFFFF, 0xFFFF)
        # Short doses, so that a freeze is 60 ticks; every time limit but the dose stays as it is.
        self.cryo("profiles").dose_ms = lambda _values: 600
        self.cryo("shot").PURGE_US = 1_500_000
        self.cryo("texts").use(1)
        self.app.display.start()
        self._spy()

    def cryo(self, name: str) -> Any:
        """A module of the firmware."""
        return self.modules[f"cryo.{name}"]

    def _reset_modules(self) -> None:
        """The boot has run for a moment: what its modules keep is set back."""
        self.cryo("demand").kind = 0
        self.cryo("demand").running = False

    def _abstract_flash(self) -> None:
        """Records land in a list; settings are kept in memory; room never ends."""
        app, board, journal = self.app, self.board, self.cryo("journal")
        log = app.journal
        log.resume([], 0, b"", b"", 1, False)

        def append(done: int, count: int) -> bool:
            if "flash" in board.broken:
                return False
            for i in range(done, done + count):
                fields = struct.unpack_from(journal.FORMAT, log._queue, i * journal.RECORD)
                self._recorded(fields[2], fields[6:])
            log._segment_records += count
            log.head += count
            return True

        log._append = append
        log.free_records = lambda: 5000
        app.settings.save_entries = lambda *_args: "flash" not in board.broken

    def _recorded(self, kind: int, arguments: tuple[int, ...]) -> None:
        ghost, journal = self.board.ghost, self.cryo("journal")
        ghost.records = [*ghost.records[-5:], kind]
        if kind in (journal.FREEZE_BEGIN, journal.PRECHILL_BEGIN):
            if ghost.open_record:
                ghost.violations.append(f"a second BEGIN ({kind}) before an END")
            ghost.open_record = kind
        elif kind in (journal.FREEZE_END, journal.PRECHILL_END):
            begin = journal.FREEZE_BEGIN if kind == journal.FREEZE_END else journal.PRECHILL_BEGIN
            if ghost.open_record != begin:
                ghost.violations.append(f"an END ({kind}) without its BEGIN")
            ghost.open_record = 0
            delivered = arguments[5 if kind == journal.FREEZE_END else 4]
            ghost.ended = (arguments[2], delivered)

    def _spy(self) -> None:
        show, ghost_of = self.app.display.show, self.board

        def shown(screen: int) -> None:
            ghost_of.ghost.shown = screen
            show(screen)

        self.app.display.show = shown

    # -- snapshots

    def _keeps_state(self, name: str) -> bool:
        """Whether a module has variables, or objects, that its functions change."""
        known = self._stateful.get(name)
        if known is None:
            path = CRYO / (name.removeprefix("cryo.") + ".py")
            known = name == "cryo" or "global " in path.read_text(encoding="utf-8")
            known = known or any(
                not isinstance(value, _CONSTANT) and not callable(value)
                for key, value in self.modules[name].__dict__.items()
                if not key.startswith("__")
            )
            self._stateful[name] = known
        return known

    def _reach(self) -> Iterator[Any]:
        """Every mutable object that is part of the state."""
        seen: set[int] = set()
        stack: list[Any] = [self.app.__dict__, self.board.__dict__]
        stack += [
            self.modules[name].__dict__
            for name in self.modules
            if name.startswith("cryo") and self._keeps_state(name)
        ]
        yield self.modules
        while stack:
            one = stack.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            yield one
            if isinstance(one, dict):
                children = one.values()
            elif isinstance(one, list):
                children = one
            else:
                continue
            for value in children:
                kind = type(value)
                if kind in _LEAVES:
                    continue
                if kind in (dict, list, bytearray, array):
                    stack.append(value)
                elif hasattr(value, "__dict__") and not callable(value):
                    stack.append(vars(value))

    def keep(self) -> list[tuple[Any, Any]]:
        """The state, to be put back."""
        return [(one, one.copy() if isinstance(one, (dict, list)) else one[:])
                for one in self._reach()]  # fmt: skip

    def put_back(self, kept: list[tuple[Any, Any]]) -> None:
        """The state as it was kept."""
        for one, copy in kept:
            if isinstance(one, dict):
                one.clear()
                one.update(copy)
            else:
                one[:] = copy
