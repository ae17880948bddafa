"""The application: the order of one tick, what each state does, and the watchdog rule.

May import gc, sys, micropython.const and every room of cryo. Controls: H-01, H-03, H-04, H-08,
H-09, H-11, H-12, H-13, H-15, H-17, by putting the rooms that control them in order.

One tick, every 10 ms: now, buttons, sensors, interlocks, treatment and shot, screen, link,
journal (valve closed only), watchdog. The watchdog is fed at the end of a tick that went
through all of that, and nowhere else but between the steps of the start.
"""

import gc
import sys

from micropython import const

from cryo import (
    VERSION,
    VERSION_NUMBER,
    board as board_room,
    buttons,
    commands,
    dose,
    faults,
    interlocks,
    journal,
    schema,
    screens,
    settings,
    shot,
    sounder,
    treatment,
)
from cryo.link import Link
from cryo.panel import Panel
from cryo.sensors import Sensors
from cryo.valve import DEAD_MAN_MS, Valve

TICK_MS = const(10)
_TICKS_MASK = const(0x3FFFFFFF)
_SLOTS = const(10)  # slow work is spread over ten ticks, one piece a tick
_SELF_TEST_MS = const(1500)
_REFUSED_MS = const(3000)
_SAVE_AFTER_MS = const(2000)
_RETRY_MS = const(1000)
_ROOM_RECORDS = const(64)  # free journal records needed to arm
_PAGES = const(2)
_PAGES_OPEN = const(1)

_BLINK_FAULT_MS = const(250)  # 2 Hz red, 0.5 Hz yellow: IEC 60601-1-8's bands
_BLINK_ARMED_MS = const(1000)

CLOCK_NONE = const(0)
CLOCK_HOST = const(1)
CLOCK_RTC = const(2)

_DISARM_BUTTON = const(1)
_DISARM_TIME = const(2)
_DISARM_FAULT = const(3)


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
        now_ms = board.ticks_ms()
        self.board = board
        board.start()
        self.valve = Valve(board.gate_pin, board.supply_pin, board.estop_pin)
        self.shot = shot.Shot(self.valve)
        self.buttons = buttons.Buttons()
        self.sensors = Sensors()
        self.faults = faults.FaultSet()
        self.settings = settings.Settings()
        self.journal = journal.Journal(board.serial)
        self.treatment = treatment.Treatment(now_ms)
        self.panel = Panel(board.screen)
        self.sounder = sounder.Sounder(board.buzzer)
        self.lights = sounder.Lights(board.green, board.yellow, board.red)
        self.link = Link(board.port, self._handle)
        self.uptime_ms = 0
        self.overruns = 0
        self.worst_tick_us = 0
        self.cycle = 0
        self.planned_us = 0
        self.dose_ms = 0
        self._now_ms = now_ms
        self._slot = 0
        self._clock_s = 0  # UTC at uptime 0, or 0
        self.clock_source = CLOCK_NONE
        self._treatment_seq = 0
        self._begun = False  # the shot of this FREEZING has been started
        self._closed_ms = now_ms  # when the valve was last seen open
        self._closed_for_ms = 0  # counts up from there, and stops at interlocks.STUCK_AFTER_MS
        self._changed = [0] * len(schema.SETTINGS)  # value in flash of what the panel changed
        self._unsaved = 0  # bit mask of settings changed on the panel and not yet saved
        self._changed_ms = 0
        self._pending_ms = 0
        self._refused_ms = -1  # when the refusal on the screen came, or -1
        self._retry_ms = now_ms
        self._leaving = False
        self._wants_out = False  # maintenance was asked for; the reply is on its way
        self._flash_used = False  # this tick wrote flash: its length says nothing
        self._logged_overruns = 0
        self._second = -1
        self._summary = False  # the fault screen also tells what was delivered
        self._screen = -1

    # -- start ------------------------------------------------------------------------------

    def run(self):
        """Start, and run until maintenance is asked for."""
        board = self.board
        try:
            self.start()
            self._loop()
        except Exception as error:  # noqa: BLE001
            self._crash(error)
        board.leave_behind(board_room.MAINTENANCE, 0)
        board.reset()

    def start(self):
        """Everything before the first tick."""
        board = self.board
        cause = board.reset_cause()
        doing, number = board.left_behind()
        board.leave_behind(board_room.RUNNING, 0)
        board.start_watchdog()
        self.panel.view.version = VERSION
        self.panel.start()
        self._show(screens.BOOT)
        self.panel.step(8)
        board.feed()
        self._clock_s = board.clock.read()
        if self._clock_s:
            self.clock_source = CLOCK_RTC
        self.settings.load()
        board.feed()
        self._start_journal(cause, doing, number)
        board.feed()
        self.panel.contrast(self.settings.values[schema.CONTRAST])
        self.sounder.volume(self.settings.values[schema.VOLUME])
        self.link.event({"ev": "boot", "fw": VERSION, "boot": self.journal.boot, "state": "BOOT"})
        self._event(treatment.STARTED)
        gc.collect()

    def _start_journal(self, cause, doing, number):
        book = self.journal
        free = 0
        unfinished = None
        try:
            book.open()
            unfinished = book.unfinished_freeze()
            free = book.free_records()
        except OSError:
            self.faults.latch(faults.JOURNAL_FAILED, False)
        if self.settings.outcome == settings.FIRST_START and book.head:
            # Records but no settings: this device has run before, and has lost them. H-07
            self.settings.outcome = settings.LOST
        if self.settings.outcome == settings.LOST:
            # The defaults are saved when they have been acknowledged, not before: H-07
            self.faults.latch(faults.SETTINGS_LOST, False)
        elif self.settings.outcome != settings.LOADED and not self.settings.save():
            self.faults.latch(faults.JOURNAL_FAILED, False)
        if book.torn_bytes or book.broken_seq:
            self.faults.latch(faults.JOURNAL_DAMAGED, False)
        if free < _ROOM_RECORDS:
            self.faults.latch(faults.JOURNAL_FULL, True)
        self._record(
            journal.BOOT, cause, VERSION_NUMBER, self.settings.generation,
            self.settings.outcome, free, self.clock_source,
        )  # fmt: skip
        if cause == board_room.WATCHDOG_RESET:
            if doing == board_room.CRASHED:
                self.faults.latch(faults.INTERNAL, False)
            elif doing != board_room.NOTHING:
                self.faults.latch(faults.WATCHDOG, False)
        if unfinished:
            self._freeze_lost(unfinished, cause, doing, number)
        self._flush()

    def _freeze_lost(self, unfinished, cause, doing, elapsed_ms):
        """A freeze began and has no end: the processor lost power or was reset. H-11"""
        seq, cycle, dose_ms, planned_us = unfinished
        least_us = 0
        most_us = planned_us
        told = doing == board_room.FREEZING or doing == board_room.CRASHED
        if cause == board_room.WATCHDOG_RESET and told:
            # The loop's last word, and what the dead-man allows after it.
            least_us = min(elapsed_ms * 1000, planned_us)
            most_us = min((elapsed_ms + TICK_MS + DEAD_MAN_MS) * 1000, planned_us)
        self._record(
            journal.FREEZE_LOST, seq, cycle, dose_ms, planned_us, least_us, most_us, cause
        )
        self.faults.latch(faults.FREEZE_LOST, False)

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

    # -- the loop ---------------------------------------------------------------------------

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
                if spent_us > self.worst_tick_us and not self._flash_used:
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
                if not self._flash_used:
                    self.overruns += 1
                    if spent_us > self.worst_tick_us:
                        self.worst_tick_us = spent_us

    def tick(self, now_ms):
        """One tick."""
        self.uptime_ms += (now_ms - self._now_ms) & _TICKS_MASK
        self._now_ms = now_ms
        self._flash_used = False
        slot = self._slot + 1
        if slot == _SLOTS:
            slot = 0
        self._slot = slot
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
        if self.treatment.state == treatment.FREEZING:
            self._freezing(now_ms, raw, estop_closed)
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
        else:
            self.panel.step(_PAGES_OPEN)
            self.link.step_open(
                one_shot.remaining_ms(), one_shot.elapsed_ms, self.sensors.nozzle.c_x100
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

    # -- any state but FREEZING ---------------------------------------------------------------

    def _attend(self, now_ms, slot):
        keys = self.buttons
        state = self.treatment.state
        if slot == 1:
            self._watch(now_ms, state)
        if self.faults.fresh and state != treatment.SELF_TEST:
            self._report_faults(now_ms)
            state = self.treatment.state
        if not keys.down and not keys.released and slot != 3:
            return
        if state == treatment.READY:
            self._ready(now_ms, keys)
        elif state == treatment.ARMED:
            self._armed(now_ms, keys)
        elif state == treatment.DONE:
            if keys.clicked & buttons.SELECT:
                self._event(treatment.ACKNOWLEDGED)
            elif keys.pressed & buttons.ARM:
                self._event(treatment.ARM_PRESSED)
        elif state == treatment.FAULT:
            self._fault(now_ms, keys)
        elif state == treatment.SELF_TEST:
            self._self_test(now_ms, keys)

    def _watch(self, now_ms, state):
        """Ten times a second: parts that must work, and a valve that must be closed."""
        found = self.faults
        sensors = self.sensors
        if self._closed_for_ms < interlocks.STUCK_AFTER_MS:
            self._closed_for_ms = min(
                (now_ms - self._closed_ms) & _TICKS_MASK, interlocks.STUCK_AFTER_MS
            )
        if state == treatment.SELF_TEST or state == treatment.BOOT:
            return
        fault = interlocks.closed_but(sensors, self._closed_for_ms)
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
        if self.overruns != self._logged_overruns and self.uptime_ms % 60000 < 100:
            self._logged_overruns = self.overruns
            self._record(journal.OVERRUN, self.overruns, self.worst_tick_us)

    def _self_test(self, now_ms, keys):
        """H-17: every sensor must answer, no button may be down, no coil current may flow.

        What the start found is held back until here, so that no fault skips the test.
        """
        sensors = self.sensors
        waited_ms = self.state_ms()
        fault = interlocks.broken(sensors)
        if fault and waited_ms < _SELF_TEST_MS:
            return
        if not fault and waited_ms < 300:
            return
        if not fault:
            fault = interlocks.closed_but(sensors, self._closed_for_ms)
        if fault:
            self.faults.latch(fault, True)
        if keys.down:
            self.faults.latch(faults.BUTTON_STUCK, False)  # H-04
        if self.panel.failed:
            self.faults.latch(faults.SCREEN, True)
        if self.valve.is_open() or self.valve.supply_on():
            self.faults.latch(faults.DOSE_TIMER, True)
        if self.faults.latched:
            self._report_faults(now_ms)
        else:
            self._event(treatment.PASSED)

    def _ready(self, now_ms, keys):
        if self.settings.pending >= 0:
            self._confirming(now_ms, keys)
            return
        if self._refused_ms >= 0:
            if keys.pressed or (now_ms - self._refused_ms) & _TICKS_MASK > _REFUSED_MS:
                self._refused_ms = -1
                keys.spend()
                self._show_state()
            return
        view = self.panel.view
        if keys.repeat & (buttons.UP | buttons.DOWN):
            self._turn(now_ms, 1 if keys.repeat & buttons.UP else -1)
        elif keys.clicked & buttons.SELECT:
            view.field = 1 - view.field
            self.sounder.play(sounder.CLICK, now_ms)
            self._show_state()
        elif keys.held & buttons.ARM:
            self._arm(now_ms)
        elif keys.down == 0:
            self._refresh_ready()

    def _turn(self, now_ms, step):
        """UP or DOWN: the next value of the selected field; at the end of the range, a refusal."""
        values = self.settings.values
        applicator = values[schema.APPLICATOR]
        if self.panel.view.field == screens.FIELD_APPLICATOR:
            index = schema.APPLICATOR
            value = applicator + step
            low = dose.APPLICATORS[0][0]
            high = dose.APPLICATORS[-1][0]
        else:
            index = schema.DEPTH_UM
            value = values[index] + step * schema.DEPTH_STEP_UM
            low = dose.min_um(applicator)
            high = dose.max_um(applicator)
            # A depth that the last applicator allowed may lie outside this one's table: the
            # first press brings it to the nearer end, which the screen shows. H-06
            if values[index] < low and step > 0:
                value = low
            elif values[index] > high and step < 0:
                value = high
        if value < low or value > high:
            self.sounder.play(sounder.REFUSED, now_ms)
            return
        if not self._unsaved & (1 << index):
            self._unsaved |= 1 << index
            self._changed[index] = values[index]
        values[index] = value
        self._changed_ms = now_ms
        self.sounder.play(sounder.CLICK, now_ms)
        self._show_state()

    def _confirming(self, now_ms, keys):
        if keys.held & buttons.SELECT:
            self._settle(now_ms, "confirmed")
        elif keys.pressed & ~buttons.SELECT:
            self._settle(now_ms, "rejected")
        elif (now_ms - self._pending_ms) & _TICKS_MASK > self.CONFIRM_S * 1000:
            self._settle(now_ms, "timed_out")

    def _settle(self, now_ms, why):
        """The operator's word (or silence) on a change that the host asked for. H-13"""
        index = self.settings.pending
        value = self.settings.pending_value
        self.settings.pending = -1
        # Checked again: the applicator may be another one by now.
        if why == "confirmed" and commands.out_of_range(self, index, value):
            why = "range"
        if why == "confirmed" and not self.apply_setting(index, value, self.BY_CONFIRMED):
            why = "storage"
        confirmed = why == "confirmed"
        if not confirmed:
            self._record(
                journal.SETTING,
                schema.SETTINGS[index][0],
                self.settings.values[index],
                value,
                self.BY_REJECTED,
            )
        self.link.event(
            {"ev": "setting", "key": schema.SETTINGS[index][1], "value": value,
             "applied": confirmed, "why": why}
        )  # fmt: skip
        self.sounder.play(sounder.CLICK if confirmed else sounder.REFUSED, now_ms)
        self.buttons.spend()
        self._show_state()

    def _arm(self, now_ms):
        """ARM was held: arm, or say what forbids it."""
        values = self.settings.values
        self._save_panel_changes()
        cause = interlocks.against_arming(self.sensors, values)
        if cause:
            self._refuse_for(now_ms, cause, values)
            return
        planned_ms = dose.dose_ms(values[schema.APPLICATOR], values[schema.DEPTH_UM])
        if planned_ms < 0:
            self._refuse(now_ms, "NO DOSE", "Depth must be in", self.panel.view.range_text)
            return
        planned_us = dose.gate_us(
            planned_ms,
            values[schema.OPEN_LAG_US],
            values[schema.CLOSE_LAG_US],
            values[schema.TRIM_PPM],
        )
        if not self.valve.allowed(planned_us):
            self._refuse(now_ms, "NO DOSE", "Over 30 s with", "the valve's lags")
            return
        if self._free_records() < _ROOM_RECORDS:
            self.faults.latch(faults.JOURNAL_FULL, True)
            return
        gc.collect()
        self.dose_ms = planned_ms
        self.planned_us = planned_us
        self.cycle = 1
        self._treatment_seq = self._record(
            journal.ARMED,
            values[schema.APPLICATOR],
            values[schema.DEPTH_UM],
            planned_ms,
            planned_us,
            dose.TABLE_VERSION,
            self.sensors.nozzle.c_x100,
            self.settings.generation,
            0,
        )
        self._second = -1
        self.panel.view.planned_ms = planned_ms
        self.panel.view.timeout_s = values[schema.ARM_TIMEOUT_S]
        self._event(treatment.ARM_HELD)
        self.sounder.play(sounder.ARMED, now_ms)

    def _refuse_for(self, now_ms, cause, values):
        """Say which reading forbids arming, what it is, and what it must be."""
        sensors = self.sensors
        if cause == faults.PRESSURE:
            reading = "%d mbar" % sensors.pressure_mbar.value
            needs = "needs %d-%d" % (
                values[schema.ARM_PRESSURE_MIN],
                values[schema.ARM_PRESSURE_MAX],
            )
        elif cause == faults.LEVEL_LOW:
            reading = "%d %%" % (sensors.level_permille.value // 10)
            needs = "needs %d %%" % (values[schema.ARM_LEVEL_MIN] // 10)
        elif cause == faults.SUPPLY_LOW:
            reading = "%d mV" % sensors.vsys_mv()
            needs = "needs %d mV" % values[schema.ARM_SUPPLY_MIN]
        else:
            row = faults.row_of(cause)
            self._refuse(now_ms, row[1], row[4])
            return
        self._refuse(now_ms, faults.row_of(cause)[1], reading, needs)

    def _refuse(self, now_ms, what, why, needs=""):
        view = self.panel.view
        view.title = "CANNOT ARM"
        view.lines = [what, why, needs]
        self._refused_ms = now_ms
        self.sounder.play(sounder.REFUSED, now_ms)
        self.buttons.spend()
        self._show(screens.REFUSED)

    def _armed(self, now_ms, keys):
        timeout_s = self.settings.values[schema.ARM_TIMEOUT_S]
        if keys.pressed & buttons.ARM:
            self._disarm(treatment.ARM_PRESSED, _DISARM_BUTTON)
        elif keys.pressed & buttons.TRIGGER:
            self._begin_freeze(now_ms)
        elif self.state_ms() >= timeout_s * 1000:
            self._disarm(treatment.TIMED_OUT, _DISARM_TIME)
        else:
            view = self.panel.view
            view.timeout_s = timeout_s - self.state_ms() // 1000
            self.panel.update()

    def _disarm(self, event, reason):
        self._record(journal.DISARMED, self._treatment_seq, reason)
        self._event(event)

    def _fault(self, now_ms, keys):
        found = self.faults
        gone = 0
        if keys.held_long & buttons.SELECT:
            gone = found.clear(faults.ESTOP_RULE)
        elif keys.clicked & buttons.SELECT:
            if found.present & (1 << (faults.JOURNAL_FULL - 1)):
                found.set_present(faults.JOURNAL_FULL, self._free_records() < _ROOM_RECORDS)
            gone = found.clear(faults.ACK)
            if not gone:
                self.sounder.play(sounder.REFUSED, now_ms)
        if gone & (1 << (faults.SETTINGS_LOST - 1)):
            self._flash_used = True
            if not self.settings.save():
                found.latch(faults.JOURNAL_FAILED, False)
        if gone:
            for row in faults.FAULTS:
                if gone & (1 << (row[0] - 1)):
                    self._record(journal.FAULT_CLEARED, row[0])
                    self.link.event(
                        {"ev": "fault", "fault": row[0], "name": row[1], "active": False}
                    )
            if not found.latched:
                self._summary = False
                self._event(treatment.CLEARED)
                return
            self._sound_alarm(now_ms)
            self._show_state()
        elif self.state_ms() // 2000 != self._second:
            # The words of the fault, and what of the freeze was delivered, take turns.
            self._second = self.state_ms() // 2000
            if self._summary:
                self._show_state()

    def _report_faults(self, now_ms):
        """Record and announce what was latched, and go to FAULT."""
        state = self.treatment.state
        number = self.faults.take_fresh()
        while number:
            self._record(journal.FAULT, number, self.sensors.nozzle.fault, state)
            self.link.event(
                {"ev": "fault", "fault": number, "name": faults.row_of(number)[1], "active": True}
            )
            number = self.faults.take_fresh()
        if state == treatment.ARMED:
            self._record(journal.DISARMED, self._treatment_seq, _DISARM_FAULT)
        if self.settings.pending >= 0:
            self._settle(now_ms, "rejected")
        self._refused_ms = -1
        self._second = -1
        self._event(treatment.FAULTED)
        self._show_state()
        self._sound_alarm(now_ms)

    def _sound_alarm(self, now_ms):
        priority = faults.row_of(self.faults.first)[2]
        if priority == faults.HIGH:
            self.sounder.play(sounder.ALARM_HIGH, now_ms, sounder.HIGH_EVERY_MS)
        else:
            self.sounder.play(sounder.ALARM_MEDIUM, now_ms, sounder.MEDIUM_EVERY_MS)

    # -- FREEZING: nothing here allocates once the shot has begun -----------------------------

    def _begin_freeze(self, now_ms):
        """TRIGGER: first the record that a freeze begins, then (next tick) the freeze."""
        sensors = self.sensors
        self._begun = False
        self._summary = False
        self._record(
            journal.FREEZE_BEGIN,
            self._treatment_seq,
            self.cycle,
            self.dose_ms,
            self.planned_us,
            sensors.nozzle.c_x100,
            sensors.pressure_mbar.value,
            sensors.level_permille.value,
            sensors.vsys_mv(),
        )
        self.panel.view.remaining_ms = self.dose_ms
        self._event(treatment.TRIGGER_PRESSED)

    def _freezing(self, now_ms, raw, estop_closed):
        one_shot = self.shot
        trigger = raw & buttons.TRIGGER  # H-01: the raw contact, so that one open sample ends it
        if not self._begun:
            self._start_shot(now_ms, trigger, estop_closed)
            return
        if self.buttons.pressed & buttons.SELECT and one_shot.phase == shot.OPEN:
            self.journal.add(
                journal.ICE_FIELD, treatment.FREEZING, self.uptime_ms,
                self._treatment_seq, self.cycle, one_shot.elapsed_ms,
            )  # fmt: skip
            self.sounder.play(sounder.CLICK, now_ms)
        if one_shot.step(now_ms, trigger, estop_closed, self.sensors, self.settings.values):
            self._end_freeze(now_ms)
            return
        self.board.leave_behind(board_room.FREEZING, one_shot.elapsed_ms)
        if self._slot % 5 == 0 and one_shot.phase == shot.OPEN:
            self._count_down(now_ms)

    def _start_shot(self, now_ms, trigger, estop_closed):
        """The record is in flash, or there is no freeze. H-08"""
        if self.journal.waiting():
            self.faults.latch(faults.JOURNAL_FAILED, False)
        if self.faults.latched or not trigger or not estop_closed:
            self.shot.cancel(self.planned_us, shot.CANCELLED)
            self._end_freeze(now_ms)
            return
        self._begun = True
        self.shot.begin(self.planned_us, now_ms)
        self.sounder.play(sounder.START, now_ms)

    def _count_down(self, now_ms):
        view = self.panel.view
        # The screen counts the dose, the gate the dose corrected for the valve's lags: both
        # begin and end together to within some ms.
        left_ms = self.dose_ms - self.shot.elapsed_ms
        view.remaining_ms = left_ms if left_ms > 0 else 0
        self.panel.update()
        second = view.remaining_ms // 1000
        if second != self._second:
            if second < 5 and self._second >= 0:
                self.sounder.play(sounder.COUNT, now_ms)
            self._second = second

    def _end_freeze(self, now_ms):
        one_shot = self.shot
        self._closed_ms = now_ms
        self._closed_for_ms = 0
        cause = one_shot.cause
        delivered_us = one_shot.delivered_us
        self._record(
            journal.FREEZE_END,
            self._treatment_seq,
            self.cycle,
            cause,
            self.dose_ms,
            self.planned_us,
            delivered_us,
            one_shot.nozzle_min_c_x100,
            one_shot.pressure_min_mbar,
        )
        self.board.leave_behind(board_room.RUNNING, 0)
        view = self.panel.view
        view.complete = cause == shot.COMPLETE
        view.planned_ms = self.dose_ms
        # In the operator's terms: time of flow, that is, with the lags taken out again.
        lag_us = self.dose_ms * 1000 - self.planned_us
        view.delivered_ms = max(0, delivered_us + lag_us) // 1000 if delivered_us else 0
        if cause == shot.ESTOP:
            self.faults.latch(faults.ESTOP, not self.board.estop_closed())
        if one_shot.fault:
            self.faults.latch(one_shot.fault, False)
        self._summary = True
        if self.faults.fresh:
            self._report_faults(now_ms)
            return
        self._event(treatment.SHOT_ENDED)
        self.sounder.play(sounder.COMPLETE if view.complete else sounder.ENDED_EARLY, now_ms)

    # -- what every state shares --------------------------------------------------------------

    def _event(self, event):
        """Hand an event to the treatment machine; on a change tell screen, lights and host."""
        machine = self.treatment
        if not machine.handle(event, self._now_ms):
            return
        self.buttons.spend()  # H-04
        state = machine.state
        if machine.was == treatment.FAULT:
            self.sounder.stop()
        self.lights.show(
            1 if state == treatment.READY or state == treatment.DONE else 0,
            1 if state == treatment.ARMED or state == treatment.FREEZING else 0,
            1 if state == treatment.FAULT else 0,
            _BLINK_FAULT_MS if state == treatment.FAULT
            else _BLINK_ARMED_MS if state == treatment.ARMED else 0,
        )
        self._show_state()
        self.link.event(
            {
                "ev": "state",
                "state": treatment.STATES[state],
                "was": treatment.STATES[machine.was],
                "uptime_ms": self.uptime_ms,
            }
        )

    def state_ms(self):
        """How long this state has lasted, in ms."""
        return (self._now_ms - self.treatment.since_ms) & _TICKS_MASK

    def _show(self, screen):
        self._screen = screen
        self.panel.show(screen)

    def _show_state(self):
        """Fill the view for the present state and show its screen."""
        state = self.treatment.state
        self._second = -1
        if state == treatment.READY:
            self._fill_ready()
            self._show(screens.CONFIRM if self.settings.pending >= 0 else screens.READY)
        elif state == treatment.ARMED:
            self._show(screens.ARMED)
        elif state == treatment.FREEZING:
            self._show(screens.FREEZING)
        elif state == treatment.DONE:
            self._show(screens.DONE)
        elif state == treatment.FAULT:
            self._fill_fault()
            self._show(screens.FAULT)
        else:
            self._show(screens.BOOT)

    def _fill_ready(self):
        values = self.settings.values
        view = self.panel.view
        applicator = values[schema.APPLICATOR]
        row = dose.row_of(applicator)
        view.depth_um = values[schema.DEPTH_UM]
        view.dose_ms = dose.dose_ms(applicator, view.depth_um)
        view.applicator = row[1]
        low = row[2][0][0] // 100
        high = row[2][-1][0] // 100
        view.range_text = "%d.%d to %d.%d mm" % (low // 10, low % 10, high // 10, high % 10)
        cause = interlocks.against_arming(self.sensors, values)
        if cause:
            view.hint = faults.row_of(cause)[1]
        else:
            view.hint = "READY  hold ARM" if view.dose_ms >= 0 else "CHANGE DEPTH"
        if self.settings.pending >= 0:
            setting = schema.SETTINGS[self.settings.pending]
            unit = "_" + setting[2]
            key = setting[1]
            view.confirm_key = key[: -len(unit)] if key.endswith(unit) else key
            view.confirm_text = "%d > %d %s" % (
                values[self.settings.pending],
                self.settings.pending_value,
                setting[2],
            )

    def _refresh_ready(self):
        """Readings change while nobody presses: the hint must follow."""
        view = self.panel.view
        cause = interlocks.against_arming(self.sensors, self.settings.values)
        hint = faults.row_of(cause)[1] if cause else ""
        if (cause and view.hint != hint) or (not cause and view.hint[:5] not in ("READY", "CHANG")):
            self._show_state()

    def _fill_fault(self):
        view = self.panel.view
        row = faults.row_of(self.faults.first)
        lines = row[5].split("|")
        what = row[4]
        if self._summary and self.state_ms() // 2000 % 2:
            delivered = view.delivered_ms // 100
            planned = (view.planned_ms + 50) // 100
            what = "%d.%d of %d.%d s" % (
                delivered // 10, delivered % 10, planned // 10, planned % 10,
            )  # fmt: skip
        view.title = row[1]
        view.lines = [what, lines[0], lines[1] if len(lines) > 1 else ""]

    # -- settings, journal, clock ---------------------------------------------------------------

    def ask_confirmation(self, index, value):
        """Show the operator a change that the host asks for. H-13"""
        self.settings.pending = index
        self.settings.pending_value = value
        self._pending_ms = self._now_ms
        self._refused_ms = -1
        self.sounder.play(sounder.ARMED, self._now_ms)
        self.buttons.spend()
        self._show_state()

    def apply_setting(self, index, value, by):
        """Put a setting in force and save it. False: the flash refused; nothing changed."""
        old = self.settings.values[index]
        self._save_panel_changes()
        self._flash_used = True
        if not self.settings.store(index, value):
            return False
        self._record(journal.SETTING, schema.SETTINGS[index][0], old, value, by)
        if index == schema.VOLUME:
            self.sounder.volume(value)
        elif index == schema.CONTRAST:
            self.panel.contrast(value)
        if self.treatment.state == treatment.READY and self._refused_ms < 0:
            self._show_state()
        return True

    def _save_panel_changes(self):
        """Save what was changed with the buttons, and record each change once."""
        if not self._unsaved:
            return
        self._flash_used = True
        changed = self._unsaved
        self._unsaved = 0
        if not self.settings.save():
            self.faults.latch(faults.JOURNAL_FAILED, False)
        for i in range(len(schema.SETTINGS)):
            if changed & (1 << i) and self._changed[i] != self.settings.values[i]:
                self._record(
                    journal.SETTING,
                    schema.SETTINGS[i][0],
                    self._changed[i],
                    self.settings.values[i],
                    self.BY_PANEL,
                )

    def _record(self, kind, a=0, b=0, c=0, d=0, e=0, f=0, g=0, h=0):
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
            self._flush()
        if self._unsaved and slot == 5:
            if (now_ms - self._changed_ms) & _TICKS_MASK > _SAVE_AFTER_MS:
                self._save_panel_changes()

    def _flush(self):
        self._flash_used = True
        if not self.journal.flush():
            self.faults.latch(faults.JOURNAL_FAILED, False)

    def _free_records(self):
        self._flash_used = True
        try:
            return self.journal.free_records()
        except OSError:
            self.faults.latch(faults.JOURNAL_FAILED, False)
            return 0

    def utc_s(self):
        """Seconds since 1970 UTC, or 0 when there is no clock and none was set. H-20"""
        return self._clock_s + self.uptime_ms // 1000 if self._clock_s else 0

    def set_clock(self, utc_s):
        """Set the clock from the host; recorded with the time before. H-20"""
        old = self.utc_s()
        if old == utc_s:
            return
        self._clock_s = utc_s - self.uptime_ms // 1000
        self.clock_source = CLOCK_HOST
        self.board.clock.write(utc_s)
        self._record(journal.TIME_SET, _signed(old), _signed(utc_s))

    def want_maintenance(self):
        """Leave the application once the reply is out: a restart into the REPL."""
        if not self._wants_out:
            self._record(journal.MAINTENANCE)
            self._wants_out = True

    def _handle(self, request):
        return commands.handle(self, request)


def _signed(word):
    """A 32-bit word as the signed argument that a record holds."""
    return word - 0x100000000 if word >= 0x80000000 else word
