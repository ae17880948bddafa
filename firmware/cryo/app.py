"""The application: the order of one tick, what every state shares, and the watchdog rule.

May import gc, sys, micropython.const and every room of cryo; loads startup by its name.
Controls: H-01, H-03, H-04, H-08,
H-09, H-11, H-12, H-13, H-15, H-17, by putting the rooms that control them in order.

One tick, every 10 ms: now, buttons, sensors, interlocks, treatment and shot, screen, link,
journal (valve closed only), watchdog. The watchdog is fed at the end of a tick that went
through all of that, and nowhere else but between the steps of the start.
"""

import gc
import sys

from micropython import const

from cryo import (
    board as board_room,
    buttons,
    calibration,
    commands,
    estimate,
    faults,
    handling,
    interlocks,
    journal,
    observation,
    presenter,
    profiles,
    schema,
    settings,
    shot,
    sounder,
    state_freezing,
    state_prechill,
    state_screening,
    state_thawing,
    summary,
    texts,
    transitions,
)
from cryo.board import TICK_MS
from cryo.display import Panel
from cryo.link import Link
from cryo.sensors import Sensors
from cryo.valve import Valve

_TICKS_MASK = const(0x3FFFFFFF)
_SLOTS = const(10)  # slow work is spread over ten ticks, one piece a tick
_SAVE_AFTER_MS = const(2000)
_RETRY_MS = const(1000)
_SKIN_SILENT_MS = const(2000)
_PAGES = const(2)
_PAGES_OPEN = const(1)

# by state
_LIGHTS = (
    sounder.DARK,
    sounder.DARK,
    sounder.READY_LIGHTS,
    sounder.READY_LIGHTS,  # SCREENING
    sounder.ARMED_LIGHTS,  # PRECHILL
    sounder.ARMED_LIGHTS,
    sounder.FREEZING_LIGHTS,
    sounder.READY_LIGHTS,  # THAWING
    sounder.READY_LIGHTS,  # DONE
)


class App:
    """The whole device over one Board."""

    CONFIRM_S = settings.CONFIRM_S
    BY_PANEL = 1
    BY_HOST = 2
    BY_CONFIRMED = 3
    BY_REJECTED = 4
    CLOCK_FIRST_S = 1704067200  # 2024-01-01
    CLOCK_LAST_S = 4102444799  # 2099-12-31

    def __init__(self, board):
        # Public attributes are shared with startup, handling, freezing, views and commands.
        now_ms = board.ticks_ms()
        self.board = board
        board.start()
        self.valve = Valve(board.gate_pin, board.supply_pin, board.estop_pin)
        self.shot = shot.Shot(self.valve)
        self.buttons = buttons.Buttons()
        self.sensors = Sensors()
        self.faults = faults.FaultSet()
        self.settings = settings.Settings()
        self.tables = calibration.Tables()
        self.estimate = estimate.Estimate()
        self.journal = journal.Journal(board.serial)
        self.treatment = transitions.Treatment(now_ms)
        self.panel = Panel(board.screen)
        self.sounder = sounder.Sounder(board.buzzer)
        self.lights = sounder.Lights(board.green, board.yellow, board.red)
        self.link = Link(board.port, self._handle)
        self.uptime_ms = 0
        self.overruns = 0
        self.worst_tick_us = 0
        self.cycles = 1
        self.cycle = 0
        self.tally = summary.Tally()
        self.answers = state_screening.Answers()
        self.observation = observation.Observation()
        self.menu = None  # over READY, while it is open; False: left, and its room to be dropped
        self.let_go = False  # press-press: the pedal has been let go since it started
        self.thawed = False  # THAWING: a person, or the skin sensor, has said so
        self.warm_looks = 0  # THAWING: at the skin, in a row
        self.ice_at_ms = -1  # FREEZING: when the ice field was marked
        self.planned_us = 0
        self.dose_ms = 0
        self.most_ms = 0  # of flow that the gate is planned for: the dose, or the mode's bound
        self.least_ms = 0  # since the gate opened: the depth-controlled mode ends no freeze before
        self.target_um = 0  # the estimated depth that ends the freeze; 0 = its time does
        self.estimated_ms = 0  # how far the estimate has come since the gate opened
        self.short = False  # the last freeze did not reach the lesion's base, by the estimate
        self.table_version = 0
        self._now_ms = now_ms
        self.slot = 0
        self.clock_s = 0  # UTC at uptime 0, or 0
        self.clock_source = commands.CLOCK_NONE
        self.treatment_seq = 0
        self.begun = False  # the shot of this FREEZING has been started
        self.purge = state_prechill.NO_PURGE
        self.closed_ms = now_ms  # when the valve was last seen open
        self.closed_for_ms = 0  # counts up from there, and stops at interlocks.STUCK_AFTER_MS
        self.changed = [0] * len(schema.SETTINGS)  # value in flash of what the panel changed
        self.unsaved = 0  # bit mask of settings changed on the panel and not yet saved
        self.changed_ms = 0
        self.pending_ms = 0
        self.refused_ms = -1  # when the refusal on the screen came, or -1
        self._retry_ms = now_ms
        self._leaving = False
        self._wants_out = False  # maintenance was asked for; the reply is on its way
        self.flash_used = False  # this tick wrote flash: its length says nothing
        self._logged_overruns = 0
        self._skin_seen_ms = 0  # uptime
        self.second = -1
        self.summary = False  # the fault screen also tells what was delivered

    def run(self):
        """Start, and run until maintenance is asked for."""
        board = self.board
        try:
            __import__("cryo.startup")
            sys.modules["cryo.startup"].start(self)
            # What only the start needs is dropped: the memory is for the treatment.
            del sys.modules["cryo.startup"]
            delattr(sys.modules["cryo"], "startup")
            gc.collect()
            self._loop()
        except Exception as error:  # noqa: BLE001
            self._crash(error)
        board.leave_behind(board_room.MAINTENANCE, 0)
        board.reset()

    def _crash(self, error):
        """The program is wrong somewhere: close, say where, restart. H-11"""
        board = self.board
        self.valve.close()
        self.sounder.stop()
        elapsed_ms = self.shot.elapsed_ms
        try:
            with open("crash.txt", "w") as file:
                sys.print_exception(error, file)
        except OSError:
            pass
        board.leave_behind(board_room.CRASHED, elapsed_ms)
        board.reset()

    def _loop(self):
        board = self.board
        ticks_ms = board.ticks_ms
        ticks_us = board.ticks_us
        due_ms = ticks_ms()
        while not self._leaving:
            start_us = ticks_us()
            self.tick(ticks_ms())
            board.feed()
            spent_us = (ticks_us() - start_us) & _TICKS_MASK
            due_ms = (due_ms + TICK_MS) & _TICKS_MASK
            left_ms = (due_ms - ticks_ms()) & _TICKS_MASK
            if left_ms <= TICK_MS:
                if spent_us > self.worst_tick_us and not self.flash_used:
                    self.worst_tick_us = spent_us
                if self.shot.phase == shot.IDLE:
                    # What is left of the tick goes to the link while it has something to send.
                    while 1 < left_ms <= TICK_MS and not self.link.idle():
                        board.sleep_ms(1)
                        self.link.send(ticks_ms)
                        left_ms = (due_ms - ticks_ms()) & _TICKS_MASK
                if left_ms <= TICK_MS:
                    board.sleep_ms(left_ms)
            else:
                # Late (the difference is negative modulo 2**30): no tick is made up for.
                due_ms = ticks_ms()
                if not self.flash_used:
                    self.overruns += 1
                    if spent_us > self.worst_tick_us:
                        self.worst_tick_us = spent_us

    def tick(self, now_ms):
        """One tick."""
        self.uptime_ms += (now_ms - self._now_ms) & _TICKS_MASK
        self._now_ms = now_ms
        self.flash_used = False
        slot = self.slot + 1
        if slot == _SLOTS:
            slot = 0
        self.slot = slot
        board = self.board
        raw = board.read_buttons()
        self.buttons.step(raw, now_ms)
        estop_closed = board.estop_closed()
        self._sense(slot)
        if not estop_closed:
            self.faults.latch(faults.ESTOP, True)  # H-03: from any state
        elif self.faults.present:
            self.faults.set_present(faults.ESTOP, False)
        one_shot = self.shot
        if self.treatment.state == transitions.FREEZING:
            state_freezing.step(self, now_ms, raw, estop_closed)
        elif self.purge:
            state_prechill.step(self, now_ms, raw, estop_closed)
        else:
            self._attend(now_ms, slot)
        self.sounder.step(now_ms)
        if slot == 7:
            self.lights.step(self.state_ms())
        if one_shot.phase == shot.IDLE:
            self.panel.step(_PAGES)
            self.link.step(board.ticks_ms)
            self._keep(now_ms, slot)
            if self._wants_out and self.link.idle() and not self.journal.waiting():
                self._leaving = True
        elif self.panel.urgent:
            self.panel.step_urgent()
        elif slot % 5 and (slot & 1 or not self.panel.step(_PAGES_OPEN)):
            # The countdown is drawn (slots 0 and 5), or a page is sent, or a piece of the link's
            # work is done, never two of them: the tick stays below 10 ms.
            self.link.step_open(
                one_shot.purging,
                one_shot.remaining_ms(),
                one_shot.elapsed_ms,
                self.sensors.nozzle.c_x100,
            )

    def _sense(self, slot):
        sensors = self.sensors
        board = self.board
        if slot == 1 or self.shot.phase:  # fresh when `_watch` judges it
            sensors.coil_ma.step(board.coil())
        if slot == 2:
            board.thermocouple.read_into(sensors.nozzle)
        elif slot == 4:
            sensors.pressure_mbar.step(board.pressure())
        elif slot == 6:
            sensors.level_permille.step(board.level())
        elif slot == 8:
            sensors.supply_mv.step(board.vsys())
        elif slot == 0 and self.settings.values[schema.SKIN_SENSOR]:
            board.skin.read_into(sensors.skin)
            view = self.panel.view
            view.skin_c_x100 = sensors.skin.c_x100
            view.skin_valid = sensors.skin.valid

    # -- the valve closed, and no shot on its way ---------------------------------------------

    def _attend(self, now_ms, slot):
        keys = self.buttons
        state = self.treatment.state
        if slot == 1:
            self._watch(now_ms, state)
            if state == transitions.READY:
                observation.step(self, now_ms)
        if self.faults.fresh and state != transitions.SELF_TEST:
            self.report_faults(now_ms)
            state = self.treatment.state
        if not keys.down and not keys.released and slot != 3:
            return
        if state == transitions.READY:
            handling.ready(self, now_ms, keys)
        elif state == transitions.ARMED:
            handling.armed(self, now_ms, keys)
        elif state == transitions.SCREENING:
            state_screening.step(self, now_ms, keys)
        elif state == transitions.THAWING:
            state_thawing.thawing(self, now_ms, keys)
        elif state == transitions.PRECHILL:
            state_prechill.prechill(self, now_ms, keys)
        elif state == transitions.DONE:
            if keys.clicked & buttons.SELECT:
                self.event(transitions.ACKNOWLEDGED)
            elif keys.pressed & buttons.ARM:
                self.event(transitions.ARM_PRESSED)
        elif state == transitions.FAULT:
            handling.fault(self, now_ms, keys)
        elif state == transitions.SELF_TEST:
            handling.self_test(self, now_ms, keys)

    def _watch(self, now_ms, state):
        """Ten times a second: parts that must work, and a valve that must be closed."""
        found = self.faults
        sensors = self.sensors
        if self.closed_for_ms < interlocks.STUCK_AFTER_MS:
            self.closed_for_ms = min(
                (now_ms - self.closed_ms) & _TICKS_MASK, interlocks.STUCK_AFTER_MS
            )
        if state == transitions.SELF_TEST or state == transitions.BOOT:
            return
        fault = interlocks.closed_but(sensors, self.closed_for_ms)
        if fault:
            found.latch(fault, True)
        fault = interlocks.broken(sensors)
        if fault:
            found.latch(fault, True)
        elif found.present:
            found.set_present(faults.NOZZLE_SENSOR, False)
            found.set_present(faults.PRESSURE_SENSOR, False)
            found.set_present(faults.LEVEL_SENSOR, False)
        if self.panel.failed:
            found.latch(faults.SCREEN, True)  # H-14
        self._watch_skin()
        if self.overruns != self._logged_overruns and self.uptime_ms % 60000 < 100:
            self._logged_overruns = self.overruns
            self.record(journal.OVERRUN, self.overruns, self.worst_tick_us)

    def _watch_skin(self):
        """H-10: a skin sensor that is said to be fitted answers, or it is a fault."""
        skin = self.sensors.skin
        if not self.settings.values[schema.SKIN_SENSOR]:
            self._skin_seen_ms = self.uptime_ms
            skin.valid = self.panel.view.skin_valid = False
            gone = True
        else:
            if skin.valid:
                self._skin_seen_ms = self.uptime_ms
            elif not self.board.skin.answers() and self.uptime_ms % 1000 < 100:
                self.board.skin.start()
            gone = self.uptime_ms - self._skin_seen_ms < _SKIN_SILENT_MS
        if not gone:
            self.faults.latch(faults.SKIN_SENSOR, True)
        elif self.faults.present:
            self.faults.set_present(faults.SKIN_SENSOR, False)

    def report_faults(self, now_ms):
        """Record and announce what was latched, and go to FAULT."""
        state = self.treatment.state
        number = self.faults.take_fresh()
        while number:
            self.record(journal.FAULT, number, self.sensors.nozzle.fault, state)
            self.link.event(
                {"ev": "fault", "fault": number, "name": faults.row_of(number)[1], "active": True}
            )
            number = self.faults.take_fresh()
        if state == transitions.ARMED or state == transitions.PRECHILL:
            self.record(journal.DISARMED, self.treatment_seq, journal.DISARM_FAULT)
        elif state == transitions.SCREENING:
            state_screening.abandon(self)
        summary.close(self, summary.FAULT)
        handling.leave_menu(self)
        if self.settings.pending >= 0:
            handling.settle(self, now_ms, "rejected")
        if self.tables.pending is not None:
            commands.borrow("calibration_commands").settle(self, "rejected")
            commands.give_back("calibration_commands")
        self.refused_ms = -1
        self.second = -1
        self.event(transitions.FAULTED)
        presenter.show_state(self)
        self.sound_alarm(now_ms)

    def sound_alarm(self, now_ms):
        """The alarm of the fault that is shown, repeated until it is cleared."""
        priority = faults.row_of(self.faults.first)[2]
        tune, every_ms = sounder.ALARMS[priority]
        self.sounder.play(tune, now_ms, every_ms)
        self.lights.show(sounder.ALARM_LIGHTS[priority])

    # -- what every state shares --------------------------------------------------------------

    def event(self, event):
        """Hand an event to the treatment machine; on a change tell screen, lights and host."""
        machine = self.treatment
        if not machine.handle(event, self._now_ms):
            return
        self.buttons.spend()  # H-04
        state = machine.state
        if machine.was == transitions.FAULT:
            self.sounder.stop()
        if state != transitions.FAULT:  # else `sound_alarm` shows how grave it is
            self.lights.show(_LIGHTS[state])
        presenter.show_state(self)
        self.link.event(
            {
                "ev": "state",
                "state": transitions.STATES[state],
                "was": transitions.STATES[machine.was],
                "uptime_ms": self.uptime_ms,
            }
        )

    def state_ms(self):
        """How long this state has lasted, in ms."""
        return (self._now_ms - self.treatment.since_ms) & _TICKS_MASK

    def show(self, screen):
        """Show a screen from its beginning."""
        self.panel.show(screen)

    # -- settings, journal, clock ---------------------------------------------------------------

    def ask_confirmation(self, index, value):
        """Show the operator a change that the host asks for (-1: of a table). H-13"""
        self.settings.pending = index
        self.settings.pending_value = value
        self.pending_ms = self._now_ms
        self.refused_ms = -1
        handling.leave_menu(self)
        self.sounder.play(sounder.ARMED, self._now_ms)
        self.buttons.spend()
        presenter.show_state(self)

    def change(self, index, value, now_ms):
        """Put a value chosen on the panel in force; it is saved and recorded a little later."""
        bit = 1 << index
        if not self.unsaved & bit:
            self.unsaved |= bit
            self.changed[index] = self.settings.values[index]
        self.settings.values[index] = value
        self.changed_ms = now_ms
        self._take_effect(index, value)

    def observe_left_ms(self):
        """What is left of an observation, ms; -1 = there is none."""
        return observation.left_ms(self)

    def take_profile(self, now_ms):
        """Put depth, margin and cycles of the profile in force."""
        values = self.settings.values
        for which in range(3):
            index, value = profiles.figure(values, values[schema.PROFILE], which)
            self.change(index, value, now_ms)

    def _take_effect(self, index, value):
        """What a new value changes at once, beside `settings.values`."""
        if index == schema.LANGUAGE:
            self.flash_used = True
            texts.use(value)
        elif index == schema.PATIENT_REF:
            self.observation.patient_ms = self.uptime_ms
        elif index == schema.VOLUME:
            self.sounder.volume(value)
        elif index == schema.CONTRAST:
            self.panel.contrast(value)

    def apply_setting(self, index, value, by):
        """Put a setting in force and save it. False: the flash refused; nothing changed."""
        old = self.settings.values[index]
        self.save_panel_changes()
        self.flash_used = True
        if not self.settings.store(index, value):
            return False
        self.record(journal.SETTING, schema.SETTINGS[index][0], old, value, by)
        if index == schema.PROFILE:
            self.take_profile(self._now_ms)
            self.save_panel_changes(by)
        else:
            self._take_effect(index, value)
        if self.treatment.state == transitions.READY and self.refused_ms < 0:
            presenter.show_state(self)
        return True

    def save_panel_changes(self, by=BY_PANEL):
        """Save what was changed with the buttons, and record each change once."""
        if not self.unsaved:
            return
        self.flash_used = True
        changed = self.unsaved
        self.unsaved = 0
        if not self.settings.save():
            self.faults.latch(faults.JOURNAL_FAILED, False)
        for i in range(len(schema.SETTINGS)):
            if changed & (1 << i) and self.changed[i] != self.settings.values[i]:
                self.record(
                    journal.SETTING,
                    schema.SETTINGS[i][0],
                    self.changed[i],
                    self.settings.values[i],
                    by,
                )

    def record(self, kind, a=0, b=0, c=0, d=0, e=0, f=0, g=0, h=0):
        """Queue a journal record; it is written at the end of the tick. Returns its number."""
        book = self.journal
        book.utc_s = self.utc_s()
        seq = book.add(kind, self.treatment.state, self.uptime_ms, a, b, c, d, e, f, g, h)
        if not seq:
            self.faults.latch(faults.JOURNAL_FAILED, False)  # H-08: never in silence
        return seq

    def _keep(self, now_ms, slot):
        """Write what waits to be written. Only called with the valve closed."""
        if self.valve.is_open():
            return
        if self.journal.waiting() and (
            not self.faults.latched & (1 << (faults.JOURNAL_FAILED - 1))
            or (now_ms - self._retry_ms) & _TICKS_MASK > _RETRY_MS
        ):
            self._retry_ms = now_ms
            self.flush()
        if self.unsaved and slot == 5:
            if (now_ms - self.changed_ms) & _TICKS_MASK > _SAVE_AFTER_MS:
                self.save_panel_changes()

    def flush(self):
        """Write the journal's queue to flash."""
        self.flash_used = True
        if not self.journal.flush():
            self.faults.latch(faults.JOURNAL_FAILED, False)

    def free_records(self):
        """How many records still fit; 0 when the flash cannot tell."""
        self.flash_used = True
        try:
            return self.journal.free_records()
        except OSError:
            self.faults.latch(faults.JOURNAL_FAILED, False)
            return 0

    def utc_s(self):
        """Seconds since 1970 UTC, or 0 when there is no clock and none was set. H-20"""
        return self.clock_s + self.uptime_ms // 1000 if self.clock_s else 0

    def set_clock(self, utc_s):
        """Set the clock from the host; recorded with the time before. H-20"""
        old = self.utc_s()
        if old == utc_s:
            return
        self.clock_s = utc_s - self.uptime_ms // 1000
        self.clock_source = commands.CLOCK_HOST
        self.board.clock.write(utc_s)
        self.record(journal.TIME_SET, _signed(old), _signed(utc_s))

    def want_maintenance(self):
        """Leave the application once the reply is out: a restart into the REPL."""
        if not self._wants_out:
            self.record(journal.MAINTENANCE)
            self._wants_out = True

    def _handle(self, request):
        return commands.handle(self, request)


def _signed(word):
    """A 32-bit word as the signed argument that a record holds."""
    return word - 0x100000000 if word >= 0x80000000 else word
