"""The board check at the device: an overlay on READY, and the test of one switch of the valve.

Loaded by state_ready.py when a technician has confirmed `cryo doctor` by holding SELECT, and
unloaded when it is closed; the state stays READY. Works on an App. May import micropython.const and
cryo's buttons, faults, journal, monitors, screens, sounder, texts. Controls: H-29 (one switch at a
time, never both; only while SELECT is held; not with nitrogen or pressure in the dewar), H-04 (it
does not arm: ARM held ends it).

The host asks by doctor_command.py. While this is open a button does nothing but being counted.
"""

from micropython import const

from cryo import buttons, faults, journal, monitors, screens, sounder, texts

_TICKS_MASK = const(0x3FFFFFFF)
_FULL_MV = const(3300)  # of the coil's channel: 1 mV is 1 mA
_FULL_COUNT = const(65535)

_BUTTONS = const(5)
_IDLE_MS = const(120000)  # no request of the host: back to READY
_SHOW_MS = const(3000)  # a lamp, a sound, all dots of the screen

# The test of a switch
NONE = const(0)
GATE = const(1)
SUPPLY = const(2)
_WAITS_MS = const(30000)  # for SELECT
_ON_MS = const(4000)  # at the most for one hold; a key that is held for 6 s is a fault
_REST_MS = const(200)  # both switches low before: the dead-man's 60 ms have long passed
_PULSE_US = const(50000)  # GATE is raised for so long at a time: the dose timer ends it
_RISE_TICKS = const(2)  # SUPPLY is high by then
_CURRENT_MA = const(30)  # docs/hardware.md: below this the coil is off
_CURRENTS = const(3)  # ticks
_LEVEL_MOST = const(50)  # permille
_PRESSURE_MOST = const(50)  # mbar

# How a test ended, as `doctor` replies and the journal records it
WAITING = const(1)
_ON = const(2)
RELEASED = const(3)
_FULL_TIME = const(4)
_EXPIRED = const(5)
_OTHER_KEY = const(6)
_CURRENT = const(7)
_NOT_EMPTY = const(8)
_NO_RISE = const(9)
_BOTH = const(10)
CLOSED = const(11)

# `what` of a BOARD_CHECK record: 1 and 2 are the switches
BEGUN = const(3)
ENDED = const(4)

_SOUND = ((800, 250), (0, 80), (1600, 250), (0, 80), (3200, 250))
_ALL_DOTS = b"\x00\xa5"
_PICTURE = b"\x00\xa4"

# texts.prompt
_CHECK = const(24)
_TEST = const(26)


class Overlay:
    """The open check. `presses`: how often each button was pressed, modulo 256."""

    def __init__(self, app, now_ms):
        self.presses = bytearray(_BUTTONS)
        self.which = NONE  # the switch of the present or last test
        self.outcome = 0
        self.on_ms = 0
        self.coil_ma = 0  # the highest reading while it was on
        self._asked_ms = now_ms
        self._since_ms = now_ms  # of the present phase of the test
        self._off_ms = now_ms
        self._came = False  # SELECT was pressed after the request
        self._ticks = 0
        self._currents = 0
        self._shows = ""
        self._shown_ms = now_ms
        self._over = False
        # Read once: from flash a text takes 2 ms
        self._texts = [texts.prompt(_CHECK + n // 2, n % 2) for n in range(8)]
        app.record(journal.BOARD_CHECK, BEGUN)

    # -- requests ---------------------------------------------------------------------------------

    def asked(self, now_ms):
        """The host has sent a request."""
        self._asked_ms = now_ms

    def end(self):
        """Close the check in the next tick."""
        self._over = True

    def dewar_empty(self, sensors):
        """Whether the dewar holds neither nitrogen nor pressure, by sensors that work. H-29"""
        level = sensors.level_permille
        pressure = sensors.pressure_mbar
        if not level.valid or not pressure.valid:
            return False
        return level.value < _LEVEL_MOST and -_PRESSURE_MOST < pressure.value < _PRESSURE_MOST

    def busy(self):
        """Whether a test of a switch is under way."""
        return self.outcome == WAITING or self.outcome == _ON

    def show_part(self, app, now_ms, part):
        """Light a lamp, play the sound or light all dots, for 3 s. False: there is no such part."""
        self._hide(app)
        if part == "screen":
            app.board.screen.write(_ALL_DOTS)
        elif part == "sound":
            app.sounder.play(_SOUND, now_ms)
        elif part in ("green", "yellow", "red"):
            app.lights.show((part == "green", part == "yellow", part == "red", 0))
        else:
            return False
        self._shows = part
        self._shown_ms = now_ms
        return True

    def _hide(self, app):
        if self._shows == "screen":
            app.board.screen.write(_PICTURE)
        app.lights.show(sounder.READY_LIGHTS)
        self._shows = ""

    def test(self, app, now_ms, which):
        """Begin the test of a switch: it waits for SELECT."""
        self.which = which
        self.outcome = WAITING
        self.on_ms = 0
        self.coil_ma = 0
        self._since_ms = now_ms
        self._came = False
        app.buttons.spend()  # a key that is down already is no presence
        app.display.redraw()

    # -- the switches -----------------------------------------------------------------------------

    def _step_test(self, app, now_ms, keys):
        """One tick of a test: H-29."""
        in_phase_ms = (now_ms - self._since_ms) & _TICKS_MASK
        if keys.pressed & ~buttons.SELECT:
            self._finish(app, now_ms, _OTHER_KEY)
        elif self.outcome == WAITING:
            if keys.pressed & buttons.SELECT:
                self._came = True
            if self._came and keys.down & buttons.SELECT:
                self._switch_on(app, now_ms)
            elif in_phase_ms > _WAITS_MS:
                self._finish(app, now_ms, _EXPIRED)
        else:
            self.on_ms = in_phase_ms
            if not keys.down & buttons.SELECT:
                self._finish(app, now_ms, RELEASED)
            elif in_phase_ms >= _ON_MS:
                self._finish(app, now_ms, _FULL_TIME)
            else:
                ended = self._hold(app)
                if ended:
                    self._finish(app, now_ms, ended)

    def _switch_on(self, app, now_ms):
        """SELECT is down: switch on, when both switches have been low for long enough."""
        valve = app.valve
        if (now_ms - self._off_ms) & _TICKS_MASK < _REST_MS:
            return
        if valve.is_open() or valve.supply_on() or not valve.ended():
            self._finish(app, now_ms, _BOTH)
        elif not self.dewar_empty(app.sensors) or monitors.doubt:
            self._finish(app, now_ms, _NOT_EMPTY)
        else:
            self.outcome = _ON
            self._since_ms = now_ms
            self._ticks = 0
            self._currents = 0
            if self.which == SUPPLY:
                valve.raise_supply()
            app.display.redraw()

    def _hold(self, app):
        """Keep the one switch on. Returns why it must end, or 0."""
        valve = app.valve
        self._ticks += 1
        coil_ma = app.board.coil() * _FULL_MV // _FULL_COUNT
        if coil_ma > self.coil_ma:
            self.coil_ma = coil_ma
        self._currents = self._currents + 1 if coil_ma >= _CURRENT_MA else 0
        if self._currents >= _CURRENTS:
            app.faults.latch(faults.COIL_SHORTED, True)
            return _CURRENT
        if not self.dewar_empty(app.sensors):
            return _NOT_EMPTY
        if self.which == SUPPLY:
            if valve.is_open():
                return _BOTH
            valve.hold_supply()
            return 0 if valve.supply_on() or self._ticks <= _RISE_TICKS else _NO_RISE
        if valve.supply_on():
            return _BOTH
        if valve.ended() and not valve.open_for(_PULSE_US):
            return _NO_RISE
        return 0

    def _finish(self, app, now_ms, outcome):
        """The switch is off; the outcome is recorded if it was on."""
        was_on = self.outcome == _ON
        self.outcome = outcome
        self._off_ms = now_ms
        if was_on:
            app.valve.close()
            app.valve.ended()
            app.record(journal.BOARD_CHECK, self.which, outcome, self.on_ms, self.coil_ma)
        app.sounder.play(sounder.CLICK if outcome < _EXPIRED else sounder.REFUSED, now_ms)
        app.display.redraw()

    # -- the overlay ------------------------------------------------------------------------------

    def step(self, app, now_ms, keys):
        """One tick; returns whether to close it."""
        for i in range(_BUTTONS):
            if keys.pressed & 1 << i:
                self.presses[i] = self.presses[i] + 1 & 0xFF
        if self._shows and (now_ms - self._shown_ms) & _TICKS_MASK > _SHOW_MS:
            self._hide(app)
        if self.busy():
            self._step_test(app, now_ms, keys)
        if keys.held & buttons.ARM or (now_ms - self._asked_ms) & _TICKS_MASK > _IDLE_MS:
            self._over = True
        if self._over:
            self.close(app)
        return self._over

    def close(self, app):
        """Whatever closes it: both switches are low, and lamps and screen as READY has them."""
        if self.busy():
            self._finish(app, app.clock.now_ms, CLOSED)
        self._hide(app)
        app.record(journal.BOARD_CHECK, ENDED)

    def show(self, app):
        """Fill the view and show it."""
        view = app.display.view
        said = self._texts
        if self.busy():
            view.title = said[4 if self.which == GATE else 5]
            view.lines = [said[6], said[7], ""]
        else:
            view.title = said[0]
            view.lines = [said[1], said[2], said[3]]
        app.display.show(screens.INFORMATION)

    def update(self, app):
        """READY is refreshed: nothing changes here without a redraw."""
