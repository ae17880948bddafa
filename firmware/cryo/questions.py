"""The questions of SCREENING: a stop to be lifted, the pages, an item that applies, what to adjust.

Loaded by state_screening.py when the state is entered, and unloaded when it is left. Works on an
App. May import micropython.const and cryo's arming, buttons, checklist, journal, on_demand,
operators, schema, screens, sounder, texts, transitions; loads screening_items and practice_items on
demand. Controls: H-19 ('avoid' stops, at once and until a physician lifts it; 'caution' needs a
long hold by the physician for each item, and says what to adjust; all of it is recorded), H-23 (no
override by accident), H-25 (where operators are required, none but a signed-in physician overrides
or lifts), H-18 (answers belong to one patient, for an hour at most).

SELECT on a page answers that none of its items applies. UP and DOWN choose a line; SELECT then
answers that it applies, or opens the page of its items.
"""

from micropython import const

from cryo import (
    arming,
    buttons,
    checklist,
    journal,
    on_demand,
    operators,
    schema,
    screens,
    sounder,
    texts,
    transitions,
)

_TICKS_MASK = const(0x3FFFFFFF)
_A_PAGE = const(3)
_TURN_MS = const(2000)  # of the texts of a stop

# Outcomes, as in the record
_NOTHING = const(1)
_OVERRIDDEN = const(2)
_STOPPED = const(3)
_LEFT = const(4)
_TIMED_OUT = const(5)
_LIFTED = const(6)

_BY_LOST = const(5)  # as in the record of the practice's items

# What is shown
_STOP = const(0)  # a former checklist has stopped this patient's treatment
_ITEMS_LOST = const(1)
_PAGE = const(2)
_WHICH = const(3)  # the items of one line
_AVOID = const(4)
_CAUTION = const(5)
_ADJUST = const(6)

# Kinds and columns of screening_items.py and practice_items.py
_KIND_AVOID = const(1)
_KIND = const(0)
_PROMPT = const(1)
_TEXT = const(1)
_OWN = const(25)  # number of the practice's first item

# Prompts
_LOST_TEXT = const(15)
_OWN_ITEMS = const(16)
_STOP_TEXTS = const(18)
_TITLES = const(19)


class Questions:
    """One checklist, from its first screen to its outcome."""

    def __init__(self, app):
        with on_demand.loaded("screening_items") as screening_items:
            self._items = screening_items.ITEMS
            self._lines = list(screening_items.LINES)
            self._version = screening_items.LIST_VERSION
        with on_demand.loaded("practice_items") as practice_items:
            stored = practice_items.PracticeItems()
            self._own = stored.items
            self._own_crc = journal.signed(practice_items.crc(stored.items))
            self._lost = stored.lost()
        for i in range(len(self._own)):
            self._lines.append((_OWN + i, (_OWN + i,)))
        self._page = 0
        self._chosen = -1  # line of the page, or -1
        self._which = ()  # the items of the line that is open
        self._number = 0  # the item that applies and is shown alone
        self._present = 0  # bit n-1 = item n applies
        self._overridden = 0
        self._recorded = False  # with its outcome
        self._held_ms = -1  # since SELECT is held on the screen of a stop; -1 = it is not
        self._turn = 0
        self._stop = None
        self._shows = _PAGE
        if self._lost:
            app.record(journal.CHECKLIST, _BY_LOST)
        self._begin(app)

    def _begin(self, app):
        """Show the stop that holds for the patient, if there is one; else what comes after it."""
        patient_ref = app.settings.values[schema.PATIENT_REF]
        self._stop = checklist.stop_of(patient_ref, app.clock.uptime_ms)
        self._shows = _STOP if self._stop else _ITEMS_LOST if self._lost else _PAGE

    def step(self, app, now_ms, keys):
        """One tick. Returns an event, or 0."""
        shows = self._shows
        if shows == _STOP:
            self._wait_for_lift(app, now_ms, keys)
        elif shows == _AVOID:
            return transitions.STOPPED if keys.clicked & buttons.SELECT else 0
        elif shows == _CAUTION:
            self._decide(app, now_ms, keys)
        elif shows in (_PAGE, _WHICH):
            if keys.repeat & (buttons.UP | buttons.DOWN):
                self._move(app, now_ms, -1 if keys.repeat & buttons.UP else 1)
            elif keys.clicked & buttons.SELECT:
                return self._answer(app, now_ms)
        elif keys.clicked & buttons.SELECT:
            self._to(app, now_ms, _PAGE if shows == _ITEMS_LOST else self._list())
        return 0

    def leave(self, app, event):
        """If the checklist is incomplete: record how it was left, and clear no patient. H-19"""
        if self._recorded:
            return
        if self._shows == _STOP:
            self._present |= _bit(self._stop[checklist.STOP_ITEM])
        self._record(app, _TIMED_OUT if event == transitions.TIMED_OUT else _LEFT)
        checklist.clear(0, app.clock.uptime_ms)

    # -- answers ------------------------------------------------------------------------------

    def _rows(self):
        """(text's number, items) of each line shown."""
        if self._shows == _WHICH:
            return [(number, (number,)) for number in self._which]
        first = self._page * _A_PAGE
        return self._lines[first : first + _A_PAGE]

    def _list(self):
        """The list to go back to from one of its items."""
        return _WHICH if self._which else _PAGE

    def _answer(self, app, now_ms):
        """SELECT: the chosen line applies, or none of the page does."""
        if self._chosen >= 0:
            numbers = self._rows()[self._chosen][1]
            if len(numbers) > 1:
                self._which = numbers
                self._to(app, now_ms, _WHICH)
            else:
                self._applies(app, now_ms, numbers[0])
        elif self._shows == _WHICH:
            self._which = ()
            self._to(app, now_ms, _PAGE)
        elif (self._page + 1) * _A_PAGE < len(self._lines):
            self._page += 1
            self._to(app, now_ms, _PAGE)
        else:
            app.sounder.play(sounder.CLICK, now_ms)
            return self._complete(app)
        return 0

    def _applies(self, app, now_ms, number):
        """An item applies: 'avoid' stops, unless a physician has lifted it; 'caution' asks."""
        self._number = number
        self._present |= _bit(number)
        if self._kind(number) != _KIND_AVOID or self._overridden & _bit(number):
            self._to(app, now_ms, _CAUTION)
            return
        # Recorded before it is shown: however this screen is left, the stop holds. H-19
        self._record(app, _STOPPED)
        own = self._own[number - _OWN][_TEXT] if number >= _OWN else ""
        patient_ref = app.settings.values[schema.PATIENT_REF]
        checklist.stop(patient_ref, app.clock.uptime_ms, number, own)
        self._to(app, now_ms, _AVOID)

    def _kind(self, number):
        return self._own[number - _OWN][_KIND] if number >= _OWN else self._items[number - 1][_KIND]

    def _move(self, app, now_ms, by):
        chosen = self._chosen + by
        if not -1 <= chosen < len(self._rows()):
            app.sounder.play(sounder.REFUSED, now_ms)
            return
        self._to(app, now_ms, self._shows)
        self._chosen = chosen

    def _to(self, app, now_ms, shows):
        """Show another screen, no line chosen, and restart the time-out."""
        self._shows = shows
        self._chosen = -1
        app.sounder.play(sounder.CLICK, now_ms)
        app.machine.restart_timer(now_ms)
        app.buttons.spend()  # H-23: one press answers one screen
        app.display.redraw()

    def _decide(self, app, now_ms, keys):
        """The physician's decision on a caution."""
        bit = _bit(self._number)
        if keys.held_long & buttons.SELECT:
            if operators.lacks(app, operators.PHYSICIANS):
                return  # H-25
            self._overridden |= bit
            self._to(app, now_ms, _ADJUST if self._prompt() else self._list())
            app.sounder.play(sounder.ARMED, now_ms)
        elif keys.pressed & (buttons.UP | buttons.DOWN):
            self._present &= ~bit  # chosen by mistake
            self._overridden &= ~bit
            self._to(app, now_ms, self._list())
        elif keys.clicked & buttons.SELECT:
            app.sounder.play(sounder.REFUSED, now_ms)

    def _prompt(self):
        """What to adjust for the item: number of a prompt, or 0."""
        number = self._number
        return 0 if number >= _OWN else self._items[number - 1][_PROMPT]

    def _wait_for_lift(self, app, now_ms, keys):
        """The stop holds until a physician lifts it. H-19, H-23"""
        if not keys.down & buttons.SELECT:
            self._held_ms = -1
        elif keys.pressed & buttons.SELECT:
            self._held_ms = now_ms
        turn = app.state_ms() // _TURN_MS
        if turn != self._turn:
            self._turn = turn
            app.display.redraw()
        if self._held_ms < 0:
            return
        if checklist.may_lift((now_ms - self._held_ms) & _TICKS_MASK):
            self._held_ms = -1
            if not operators.lacks(app, operators.PHYSICIANS):  # H-25
                self._lift(app, now_ms)

    def _lift(self, app, now_ms):
        """Record the lift, and begin the checklist with the item as overridden."""
        stop = self._stop
        number = stop[checklist.STOP_ITEM]
        bit = _bit(number)
        self._record_masks(app, bit, bit, _LIFTED)
        own = self._own[number - _OWN : number - _OWN + 1] if number >= _OWN else []
        if number < _OWN or own and own[0][_TEXT] == stop[checklist.STOP_TEXT]:
            self._present |= bit
            self._overridden |= bit
        checklist.lift(stop)
        self._begin(app)
        self._to(app, now_ms, self._shows)
        app.sounder.play(sounder.ARMED, now_ms)

    def _complete(self, app):
        """The last page is answered: go on towards ARMED if arming is still permitted."""
        if not arming.permitted(app):
            return 0
        self._record(app, _OVERRIDDEN if self._overridden else _NOTHING)
        checklist.clear(app.settings.values[schema.PATIENT_REF], app.clock.uptime_ms)
        return arming.go_on(app, transitions.ANSWERED)

    def _record(self, app, outcome):
        self._recorded = True
        self._record_masks(app, self._present, self._overridden, outcome)

    def _record_masks(self, app, present, overridden, outcome):
        app.record(
            journal.SCREENING, present, overridden, outcome,
            app.settings.values[schema.PATIENT_REF], self._version, self._own_crc,
            operators.session[operators.NUMBER],
        )  # fmt: skip

    # -- what is shown ------------------------------------------------------------------------

    def _text(self, number):
        """The text of an item, or of a line."""
        own = number - _OWN
        return self._own[own][_TEXT] if 0 <= own < len(self._own) else texts.item(number)

    def show(self, app):
        """Fill the view and show it."""
        view = app.display.view
        shows = self._shows
        if shows in (_PAGE, _WHICH):
            self._show_rows(view)
            app.display.show(screens.SCREENING)
            return
        if shows == _STOP:
            item = self._stop[checklist.STOP_TEXT] or texts.item(self._stop[checklist.STOP_ITEM])
            if self._turn & 1:
                minutes = checklist.stopped_min(self._stop, app.clock.uptime_ms)
                item = texts.prompt(_STOP_TEXTS, 0) % minutes
            view.title = texts.say(texts.DO_NOT_TREAT)
            view.lines = [item, texts.say(texts.PHYSICIAN), texts.prompt(_STOP_TEXTS, 1)]
        elif shows == _ITEMS_LOST:
            view.title = texts.prompt(_OWN_ITEMS, 0)
            view.lines = [
                texts.prompt(_LOST_TEXT, 0), texts.prompt(_LOST_TEXT, 1), texts.say(texts.SELECT_OK)
            ]  # fmt: skip
        elif shows == _AVOID:
            view.title = texts.say(texts.DO_NOT_TREAT)
            view.lines = [
                self._text(self._number),
                texts.say(texts.ASK_PHYSICIAN),
                texts.say(texts.SELECT_BACK),
            ]
        elif shows == _CAUTION:
            view.title = texts.say(texts.CAUTION)
            view.lines = [
                self._text(self._number),
                texts.say(texts.PHYSICIAN),
                texts.say(texts.HOLD_SELECT_2S),
            ]
        else:
            prompt = self._prompt()
            view.title = texts.prompt(_TITLES, 0)
            view.lines = [
                texts.prompt(prompt, 0), texts.prompt(prompt, 1), texts.say(texts.SELECT_OK)
            ]  # fmt: skip
        app.display.show(screens.REFUSED)

    def _show_rows(self, view):
        """A page of the list, or the items of a line."""
        rows = self._rows()
        view.page = self._page + 1
        view.pages = 0 if self._shows == _WHICH else (len(self._lines) + _A_PAGE - 1) // _A_PAGE
        view.item = self._chosen
        view.items = len(rows)
        view.marked = 0
        for i in range(len(rows)):
            number, items = rows[i]
            view.item_words[i] = self._text(number)
            for item in items:
                if self._overridden & _bit(item):
                    view.marked |= 1 << i


def _bit(number):
    """The bit of an item in the record's masks."""
    return 1 << (number - 1)
