"""The menu: an overlay on READY with the settings that need no host, and device information.

Loaded by state_ready.py when SELECT is held, and unloaded when it is closed; the state stays READY.
Works on an App. May import micropython.const and cryo's buttons, clock, dose, languages, on_demand,
operators, schema, screens, setting_changes, sounder, texts; loads operators_store on demand.
Controls: H-13 (it changes no dose and no limit), H-04 (it does not arm: ARM leads back), H-18 (it
can clear the patient's number), H-25 (the operator can sign out), H-20 (it
says that the clock chip has lost its time), H-09.
"""

from micropython import const

from cryo import (
    VERSION,
    buttons,
    clock,
    dose,
    languages,
    on_demand,
    operators,
    schema,
    screens,
    setting_changes,
    sounder,
    texts,
)

_TICKS_MASK = const(0x3FFFFFFF)
_IDLE_MS = const(30000)  # no button pressed: back to READY

# Lines of the menu
_VOLUME = const(0)
_BRIGHTNESS = const(1)
_LANGUAGE = const(2)
_PATIENT = const(3)
_INFORMATION = const(4)
_OPERATOR = const(5)  # only where operators are in use
_LINES = const(5)
_SHOWN = const(3)

_SIGN_IN = const(1)  # texts.operator
_SIGN_OUT = const(19)

_BRIGHTNESSES = (16, 64, 128, 207, 255)


class Overlay:
    """The open menu: the chosen line, and when a button was last down."""

    def __init__(self, app, now_ms):
        self._line = _VOLUME
        self._information = False  # the information page is shown
        self._pressed_ms = now_ms
        free = app.free_records()  # read once: it takes 15 ms
        count = app.journal.head + 1 - app.journal.first()
        self._free_percent = free * 100 // max(free + count, 1)
        used = app.settings.values[schema.OPERATORS_REQUIRED] or operators.session[operators.NUMBER]
        self._lines = _LINES + 1 if used else _LINES

    def step(self, app, now_ms, keys):
        """One tick; returns whether to close the menu."""
        if keys.down:
            self._pressed_ms = now_ms
        elif (now_ms - self._pressed_ms) & _TICKS_MASK > _IDLE_MS:
            return True
        if self._information:
            if keys.pressed:
                self._information = False
                keys.spend()  # this press has closed the page
                app.sounder.play(sounder.CLICK, now_ms)
                app.display.redraw()
        elif keys.pressed & buttons.ARM or keys.held & buttons.SELECT:
            return True
        elif keys.repeat & (buttons.UP | buttons.DOWN):
            self._move(app, now_ms, -1 if keys.repeat & buttons.UP else 1)
        elif keys.clicked & buttons.SELECT:
            if self._line == _OPERATOR and not operators.session[operators.NUMBER]:
                # The sign-in replaces the menu.
                operators.session[operators.ASKED] = operators.ANYONE
                return True
            self._choose(app, now_ms)
        return False

    def _move(self, app, now_ms, by):
        line = self._line + by
        if not 0 <= line < self._lines:
            app.sounder.play(sounder.REFUSED, now_ms)
            return
        first = self._first()
        self._line = line
        app.sounder.play(sounder.CLICK, now_ms)
        if self._first() == first:
            app.display.refresh()
        else:
            app.display.redraw()

    def _first(self):
        """The topmost line shown."""
        return min(max(self._line - 1, 0), self._lines - _SHOWN)

    def _choose(self, app, now_ms):
        """SELECT: the next value of the chosen line, wrapping around; or the information page."""
        values = app.settings.values
        line = self._line
        if line == _VOLUME:
            index = schema.VOLUME
            value = values[index] % schema.SETTINGS[index][schema.MAX] + 1
        elif line == _BRIGHTNESS:
            index = schema.CONTRAST
            value = _BRIGHTNESSES[_brightness(values) % len(_BRIGHTNESSES)]
        elif line == _LANGUAGE:
            index = schema.LANGUAGE
            value = values[index] % len(languages.CODES) + 1
        else:
            index = schema.PATIENT_REF
            value = 0
        if line == _OPERATOR:
            with on_demand.loaded("operators_store") as operators_store:
                operators_store.note(app, operators_store.OUT)
        elif line == _INFORMATION:
            self._information = True
        elif values[index] == value or line == _LANGUAGE and not texts.use(value):
            app.sounder.play(sounder.REFUSED, now_ms)
            return
        else:
            setting_changes.change(app, index, value)
        app.sounder.play(sounder.CLICK, now_ms)
        if self._information or line == _LANGUAGE:
            app.display.redraw()
        else:
            app.display.refresh()

    def show(self, app):
        """Fill the view and show it."""
        view = app.display.view
        if self._information:
            values = app.settings.values
            view.title = "Cryodose " + VERSION
            table = texts.say(texts.TABLE) + " %d" % dose.version_of(values[schema.APPLICATOR])
            lost = app.clock.source == clock.LOST  # H-20
            view.lines = [
                app.board.serial.decode(),
                texts.say(texts.CLOCK_NOT_SET) if lost else table,
                texts.say(texts.LOG_FREE) + " %d %%" % self._free_percent,
            ]
            app.display.show(screens.INFORMATION)
            return
        view.pages = self._lines
        view.items = _SHOWN
        for i in range(_SHOWN):
            view.item_words[i], view.item_values[i] = _line_of(app, self._first() + i)
        self._point(view)
        app.display.show(screens.MENU)

    def update(self, app):
        """Update the view after a change of the chosen line or of its value."""
        view = app.display.view
        self._point(view)
        view.item_words[view.item], view.item_values[view.item] = _line_of(app, self._line)
        app.display.update()

    def _point(self, view):
        view.page = self._line + 1
        view.item = self._line - self._first()


def _brightness(values):
    """The active brightness step, from 1; a value between two steps gives the lower one."""
    step = 1
    while step < len(_BRIGHTNESSES) and values[schema.CONTRAST] >= _BRIGHTNESSES[step]:
        step += 1
    return step


def _line_of(app, line):
    """Name and value of a line."""
    values = app.settings.values
    if line == _VOLUME:
        return texts.setting(schema.SETTINGS[schema.VOLUME][schema.NUMBER]), "%d/%d" % (
            values[schema.VOLUME], schema.SETTINGS[schema.VOLUME][schema.MAX],
        )  # fmt: skip
    if line == _BRIGHTNESS:
        return texts.setting(schema.SETTINGS[schema.CONTRAST][schema.NUMBER]), "%d/%d" % (
            _brightness(values), len(_BRIGHTNESSES),
        )  # fmt: skip
    if line == _LANGUAGE:
        return texts.say(texts.LANGUAGE), texts.say(texts.LANGUAGE_NAME)
    if line == _PATIENT:
        patient_ref = values[schema.PATIENT_REF]
        return texts.say(texts.PATIENT), "#%d" % patient_ref if patient_ref else "--"
    if line == _OPERATOR:
        if operators.session[operators.NUMBER]:
            return texts.operator(_SIGN_OUT), "Op %d" % operators.session[operators.NUMBER]
        return texts.operator(_SIGN_IN), ">"
    return texts.say(texts.INFORMATION), ">"
