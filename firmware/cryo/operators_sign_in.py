"""The sign-in: an overlay on READY that asks for an operator's number and PIN, or for a new PIN.

Loaded by state_ready.py when `operators.session[operators.ASKED]` is set, and unloaded when it is
closed; the state stays READY, and the valve is closed. Works on an App. May import
micropython.const and cryo's buttons, on_demand, operators, screens, sounder, texts; loads
operators_store and operators_commands on demand. Controls: H-25 (only the right PIN signs in; what
was pressed is never shown, sent or recorded), H-04 (it does not arm: ARM leads back).
"""

from micropython import const

from cryo import buttons, on_demand, operators, screens, sounder, texts

_TICKS_MASK = const(0x3FFFFFFF)
_IDLE_MS = const(30000)  # no button pressed: back to READY

_LEAST = const(4)  # presses of a PIN
_MOST = const(6)

# texts.operator
_SIGN_IN = const(1)
_OPERATOR = const(2)
_UP_DOWN = const(6)
_WRONG = const(7)
_NEW_PIN = const(8)
_AGAIN = const(9)
_DIFFERENT = const(10)
_NOBODY = const(11)
_PHYSICIAN_ONLY = const(12)
_NO_NURSES = const(13)
_ADD = const(14)
_SHORT = const(15)
_TEXTS = const(16)


class Overlay:
    """The open sign-in: the chosen operator, and the presses so far."""

    def __init__(self, app, now_ms):
        self._pressed_ms = now_ms
        self._pin = b""
        self._first = b""  # a new PIN as first entered
        self._note = 0  # what was wrong with the last entry
        self._left_s = 0  # as shown
        with on_demand.loaded("operators_store") as operators_store:
            self._store = operators_store.Store()
            self._at_flash = operators_store  # kept while this is open
        # Read once: from flash a text takes 2 ms, too long for a press
        self._texts = [texts.operator(n) for n in range(_TEXTS)]
        wanted = operators.session[operators.ASKED]
        self._new = wanted >> 16  # a new PIN, as operators_commands packs it; 0 = a sign-in
        self._who = wanted >> 8 & 0xFF
        # (number, role) of those who may
        self._rows = [row[:2] for row in self._store.rows if wanted & 1 << row[1]]
        self._at = 0

    def step(self, app, now_ms, keys):
        """One tick; returns whether to close it."""
        if keys.down:
            self._pressed_ms = now_ms
        elif (now_ms - self._pressed_ms) & _TICKS_MASK > _IDLE_MS:
            return self.cancel(app)
        if keys.pressed & buttons.ARM:
            return self.cancel(app)
        turned = keys.pressed & (buttons.UP | buttons.DOWN)
        if not self._who:
            return self._choose(app, now_ms, keys)
        if self._waits(app):
            if turned or keys.clicked & buttons.SELECT:
                app.sounder.play(sounder.REFUSED, now_ms)
        elif turned:
            self._press(app, now_ms, turned)
        elif keys.clicked & buttons.SELECT:
            return self._entered(app, now_ms)
        return False

    def cancel(self, app):
        """Nobody signs in; a new PIN is given up."""
        if self._new:
            with on_demand.loaded("operators_commands") as operators_commands:
                operators_commands.finish(app, operators.session[operators.ASKED], "rejected")
        operators.session[operators.ASKED] = 0
        return True

    def _choose(self, app, now_ms, keys):
        """UP and DOWN go through the operators; SELECT takes the one shown."""
        rows = self._rows
        if not rows:
            return keys.clicked & buttons.SELECT and self.cancel(app)
        at = self._at
        if keys.repeat & buttons.UP:
            at += 1
        elif keys.repeat & buttons.DOWN:
            at -= 1
        elif keys.clicked & buttons.SELECT:
            self._who = rows[at][0]
        else:
            return False
        if 0 <= at < len(rows):
            self._at = at
            app.sounder.play(sounder.CLICK, now_ms)
            app.display.redraw()
        else:
            app.sounder.play(sounder.REFUSED, now_ms)
        return False

    def _waits(self, app):
        """Whether a wrong PIN still delays the next one."""
        left_s = 0 if self._new else self._at_flash.wait_s(app, self._store.of(self._who))
        if left_s != self._left_s:
            self._left_s = left_s
            app.display.redraw()
        return left_s

    def _press(self, app, now_ms, turned):
        if len(self._pin) == _MOST or turned == buttons.UP | buttons.DOWN:
            app.sounder.play(sounder.REFUSED, now_ms)
            return
        self._pin += b"+" if turned == buttons.UP else b"-"
        self._note = 0
        app.sounder.play(sounder.CLICK, now_ms)  # one sound for both, or it could be heard
        app.display.redraw()

    def _entered(self, app, now_ms):
        """SELECT: the PIN is complete. Returns whether to close the overlay."""
        pin = self._pin
        self._pin = b""
        app.display.redraw()
        if len(pin) < _LEAST:
            self._note = _SHORT
        elif not self._new:
            app.clock.exclude()  # the check takes 0.3 s
            row = self._store.of(self._who)
            if self._store.is_right(app, self._who, pin):
                self._at_flash.note(app, self._at_flash.IN, 0, row[0], row[1])
                operators.session[operators.ASKED] = 0
                return True
            self._note = _WRONG
            delay_s = self._at_flash.delay_s(self._store.of(self._who))
            self._at_flash.note(app, self._at_flash.WRONG, delay_s, row[0], row[1])
        elif not self._first:
            self._first = pin
            app.sounder.play(sounder.CLICK, now_ms)
            return False
        elif pin == self._first:
            app.clock.exclude()
            stored = self._store.put(self._who, operators.session[operators.ASKED] & 0xFF, pin)
            with on_demand.loaded("operators_commands") as operators_commands:
                why = "confirmed" if stored else "storage"
                operators_commands.finish(app, operators.session[operators.ASKED], why)
            operators.session[operators.ASKED] = 0
            return True
        else:
            self._first = b""
            self._note = _DIFFERENT
        app.sounder.play(sounder.REFUSED, now_ms)
        return False

    def show(self, app):
        """Fill the view and show it."""
        view = app.display.view
        back = texts.say(texts.ARM_BACK)
        wanted = operators.session[operators.ASKED]
        if not self._rows and not self._who:
            view.title = self._texts[_NOBODY]
            view.lines = [self._texts[_ADD], "cryo operators", back]
        elif not self._who:
            view.title = self._texts[
                _PHYSICIAN_ONLY if wanted == operators.MANAGES
                else _NO_NURSES if wanted == operators.SETS
                else _SIGN_IN
            ]  # fmt: skip
            number, role = self._rows[self._at]
            who = self._texts[_OPERATOR] + " %d" % number
            view.lines = [who, self._texts[2 + role], texts.say(texts.SELECT_OK)]
        else:
            self._show_pin(view, back)
        app.display.show(screens.INFORMATION)

    def _show_pin(self, view, back):
        title = self._texts[_OPERATOR] + " %d" % self._who
        note = self._texts[_UP_DOWN]
        if self._new:
            note = self._texts[_AGAIN if self._first else _NEW_PIN]
        if self._note:
            note = self._texts[self._note]
        last = texts.say(texts.SELECT_OK) if len(self._pin) >= _LEAST else back
        if self._left_s:
            last = texts.say(texts.WAIT) + " %d s" % self._left_s
        view.title = title
        view.lines = [note, "*" * len(self._pin), last]

    def update(self, app):
        """READY is refreshed: the wait has gone on."""
        if self._who:
            self._waits(app)
