"""The application: the order of one tick, the state transitions, and feeding the watchdog.

May import gc, sys, micropython.const and every module of cryo; loads startup and journal_release on
demand. Controls: H-01, H-03, H-04, H-08, H-09, H-11, H-12, H-13, H-15, H-17, by running the modules
that control them in order.

One tick, every 10 ms, in one direction:

    read inputs -> monitors latch faults -> the state's step (an event; a demand on the valve)
    -> the shot -> the transition of the event -> sound, lamps, screen -> link, storage -> feed

A state's step returns an event; only `_go` performs the transition, at most one a tick. While flow
is demanded, the end of the shot gives the event, in the tick in which the valve is proved closed.
The watchdog is fed at the end of a complete tick, and between the steps of the start-up.
"""

import gc
import sys

from micropython import const

from cryo import (
    actions,
    board as board_module,
    buttons,
    calibration,
    clock,
    commands,
    demand,
    faults,
    journal,
    monitors,
    observation,
    on_demand,
    operators,
    presenter,
    refusal,
    schema,
    setting_changes,
    settings,
    shot,
    sounder,
    states,
    summary,
    transitions,
)
from cryo.board import TICK_MS
from cryo.display import REDRAW, Display
from cryo.link import Link
from cryo.sensors import Sensors
from cryo.valve import Valve

_TICKS_MASK = const(0x3FFFFFFF)
_RETRY_MS = const(1000)
_BLOCK = const(16)  # bytes of a block of MicroPython's heap
_BLOCKS_FREE = const(256)  # consecutive free blocks that make a large enough hole
_BLOCKS_MOST = const(4000)
_REFILL_MS = const(4)  # of a tick left: enough to read a chunk from flash
_PAGES = const(2)
_PAGES_OPEN = const(1)

# App._exit
_RUNS = const(0)
_REQUESTED = const(1)  # maintenance was requested; its reply is still being sent
_LEAVES = const(2)


class App:
    """The device over one Board. Only this module rebinds its attributes."""

    def __init__(self, board):
        now_ms = board.ticks_ms()
        self.board = board
        board.start()
        self.valve = Valve(board.gate_pin, board.supply_pin, board.estop_pin)
        self.shot = shot.Shot(self.valve)
        self.buttons = buttons.Buttons()
        self.sensors = Sensors()
        self.faults = faults.FaultSet()
        monitors.reset(now_ms)
        self.clock = clock.Clock(now_ms)
        self.settings = settings.Settings()
        self.tables = calibration.Tables()
        self.journal = journal.Journal(board.serial)
        self.machine = transitions.Machine(now_ms)
        self.summary = summary.Summary()
        self.observation = observation.Observation()
        self.display = Display(board.screen)
        self.sounder = sounder.Sounder(board.buzzer)
        self.lights = sounder.Lights(board.green, board.yellow, board.red)
        self.link = Link(board.port, self._handle)
        self._exit = _RUNS
        self._retry_ms = now_ms

    def run(self):
        """Start, and run until maintenance is requested."""
        board = self.board
        try:
            # The start-up code is unloaded to free its memory for the treatment.
            with on_demand.loaded("startup") as startup:
                startup.start(self)
                self._go(transitions.STARTED)
            self._loop()
        except Exception as error:  # noqa: BLE001
            self._crash(error)
        board.leave_behind(board_module.MAINTENANCE, 0)
        board.reset()

    def _crash(self, error):
        """An unhandled exception: close the valve, save the traceback, restart. H-11"""
        board = self.board
        self.valve.close()
        self.sounder.stop()
        elapsed_ms = self.shot.elapsed_ms
        try:
            with open("crash.txt", "w") as file:
                sys.print_exception(error, file)
        except OSError:
            pass
        board.leave_behind(board_module.CRASHED, elapsed_ms)
        board.reset()

    def _loop(self):
        board = self.board
        ticks_ms = board.ticks_ms
        ticks_us = board.ticks_us
        due_ms = ticks_ms()
        while self._exit != _LEAVES:
            start_us = ticks_us()
            self.tick(ticks_ms())
            board.feed()
            if demand.kind and not demand.running:
                _fill_holes()  # the record is in flash; the valve opens in a later tick
            spent_us = (ticks_us() - start_us) & _TICKS_MASK
            due_ms = (due_ms + TICK_MS) & _TICKS_MASK
            left_ms = (due_ms - ticks_ms()) & _TICKS_MASK
            late = left_ms > TICK_MS  # the difference is negative modulo 2**30
            self.clock.spent(spent_us, late)
            if late:
                due_ms = ticks_ms()  # skip the missed ticks
                continue
            if self.shot.phase == shot.IDLE:
                # Use the remaining tick time to drain the link's transmit queue.
                while 1 < left_ms <= TICK_MS and not self.link.idle():
                    if left_ms < _REFILL_MS or not self.link.refill():
                        board.sleep_ms(1)
                    self.link.send(ticks_ms)
                    left_ms = (due_ms - ticks_ms()) & _TICKS_MASK
            if left_ms <= TICK_MS:
                board.sleep_ms(left_ms)

    def tick(self, now_ms):
        """One tick."""
        self.clock.tick(now_ms)
        slot = self.clock.slot
        board = self.board
        raw = board.read_buttons()
        self.buttons.step(raw, now_ms)
        estop_closed = board.estop_closed()
        self._sense(slot)
        monitors.estop(self, estop_closed)
        if demand.kind:
            event = self._step_valve(now_ms, raw, estop_closed)
        else:
            event = self._step(now_ms, slot)
        if event:
            self._go(event)
        self.sounder.step(now_ms)
        if slot == 7:
            self.lights.step(self.state_ms())
        self.lights.flow(monitors.doubt | self.valve.is_open())
        drawn = self.display.request
        presenter.step(self)
        if self.shot.phase == shot.IDLE:
            drawn = self.display.step(_PAGES) or drawn == REDRAW
            # H-12: a request is taken in a tick that has not drawn a screen or sent a part of it
            self.link.step(board.ticks_ms, drawn)
            self._store(slot)
        else:
            self._send_open(slot)

    def _sense(self, slot):
        sensors = self.sensors
        board = self.board
        if slot == 1 or self.shot.phase:  # fresh when the monitors judge it
            sensors.coil_ma.step(board.coil())
        if slot == 2:
            board.thermocouple.read_into(sensors.nozzle)
        elif slot == 4:
            sensors.pressure_mbar.step(board.pressure())
        elif slot == 6:
            sensors.level_permille.step(board.level())
        elif slot == 8:
            sensors.supply_mv.step(board.vsys())
        elif slot == 0 and board.skin and self.settings.values[schema.SKIN_SENSOR]:
            board.skin.read_into(sensors.skin)

    # -- decisions ----------------------------------------------------------------------------

    def _step_valve(self, now_ms, raw, estop_closed):
        """The valve is open or about to open: step the state and the shot, then follow the shot."""
        states.step(self, now_ms)
        ended = demand.drive(self, now_ms, raw, estop_closed)
        return states.follow(self, now_ms, ended)

    def _step(self, now_ms, slot):
        """The valve is closed: a fault wins; otherwise step the state. The event, or 0."""
        state = self.machine.state
        if slot == 1:
            monitors.watch(self)
            operators.watch(self)
            if state == transitions.READY:
                self.observation.watch(self)
        if self.faults.fresh and state != transitions.SELF_TEST:
            return transitions.FAULTED
        keys = self.buttons
        if keys.down or keys.released or slot == 3:
            return states.step(self, now_ms)
        return 0

    def _go(self, event):
        """Perform the transition of an event from the present state, if there is one."""
        machine = self.machine
        now_ms = self.clock.now_ms
        way = transitions.way(machine.state, event)
        if way is None:
            return
        state, action = way
        actions.run(self, action, now_ms)
        if state == machine.state:
            # Already in FAULT: one more fault was latched.
            states.enter(self, event)
            self.display.redraw()
            return
        states.leave(self, event)
        machine.enter(state, now_ms)
        self.buttons.spend()  # H-04
        refusal.clear()
        states.enter(self, event)
        self.display.redraw()
        self.link.event(
            {
                "ev": "state",
                "state": states.name(state),
                "was": states.name(machine.was),
                "uptime_ms": self.clock.uptime_ms,
            }
        )

    def state_ms(self):
        """Time in the present state, ms."""
        return self.clock.since(self.machine.since_ms)

    def name(self, state):
        """Name of a state on the link."""
        return states.name(state)

    # -- outputs ------------------------------------------------------------------------------

    def _send_open(self, slot):
        """The valve is open: do one piece of work for the screen or the link, never two. H-11"""
        if self.display.urgent:
            self.display.step_urgent()
        elif slot % 5 and (slot & 1 or not self.display.step(_PAGES_OPEN)):
            # Draw the countdown (slots 0 and 5), or send a page, or do a piece of the link's work:
            # so the tick stays below 10 ms.
            one_shot = self.shot
            self.link.step_open(
                one_shot.purging,
                one_shot.remaining_ms(),
                one_shot.elapsed_ms,
                self.sensors.nozzle.c_x100,
            )

    def _handle(self, request):
        return commands.handle(self, request)

    def request_maintenance(self):
        """Restart into the REPL once the reply has been sent."""
        if self._exit == _RUNS:
            self.record(journal.MAINTENANCE)
            self._exit = _REQUESTED

    # -- storage ------------------------------------------------------------------------------

    def record(self, kind, a=0, b=0, c=0, d=0, e=0, f=0, g=0, h=0):
        """Queue a journal record; it is written at the end of the tick. Returns its number."""
        log = self.journal
        now = self.clock
        log.utc_s = now.utc_s()
        seq = log.add(kind, self.machine.state, now.uptime_ms, a, b, c, d, e, f, g, h)
        if not seq:
            self.faults.latch(faults.JOURNAL_FAILED, False)  # H-08: a lost record raises a fault
        return seq

    def _store(self, slot):
        """Write queued records and changed settings to flash. Only called with the valve closed."""
        if not self.valve.is_open():
            if self.journal.waiting() and (
                not self.faults.latched & (1 << (faults.JOURNAL_FAILED - 1))
                or self.clock.since(self._retry_ms) > _RETRY_MS
            ):
                self._retry_ms = self.clock.now_ms
                self.flush()
            if slot == 5 and setting_changes.due(self):
                setting_changes.save(self)
        if self._exit == _REQUESTED and self.link.idle() and not self.journal.waiting():
            self._exit = _LEAVES

    def flush(self):
        """Write the journal's queue to flash."""
        self.clock.exclude()
        if not self.journal.flush():
            self.faults.latch(faults.JOURNAL_FAILED, False)

    def make_room(self):
        """Measure the room; if it is short, delete one released segment. H-08"""
        self.free_records()
        if self.journal.expendable():
            with on_demand.loaded("journal_release") as journal_release:
                journal_release.delete_oldest(self)

    def free_records(self):
        """Number of records that still fit; 0 when the flash cannot be read."""
        self.clock.exclude()
        try:
            return self.journal.free_records()
        except OSError:
            self.faults.latch(faults.JOURNAL_FAILED, False)
            return 0


def _fill_holes():
    """Collect, then fill the heap's small holes with garbage for the next collection. H-11

    MicroPython allocates the frame of a call with many variables on the heap, and searches from the
    lowest hole on, however small: tick times would vary by 5 ms with the heap's layout (measured).
    Call it where no such frame is in use except the main loop's. It stops at a hole of 4 kB.
    """
    gc.collect()
    before = 0
    row = 0
    left = _BLOCKS_MOST
    while left and row < _BLOCKS_FREE:
        at = id(object())
        row = row + 1 if at - before == _BLOCK else 0
        before = at
        left -= 1
