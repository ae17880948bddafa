"""The screens. Each is a pair of functions: `enter(canvas, view)` draws all of it,
`update(canvas, view, cache)` redraws what has changed.

Pure drawing; may import micropython.const and cryo's fonts, texts, view. Controls: H-09 (state,
number and next action can be read at arm's length), H-06 (the dose is shown before the freeze).

Four lines of 16 columns, or two lines and one row of large digits. The next action is on the top
line where the device waits for a hold, otherwise on the bottom line. `view` is filled by
`presenter`; `cache` is a list of small integers with the values that the screen last drew (-1 =
not drawn yet). Updates do not allocate, and FREEZING's draws one piece a call.
"""

from micropython import const

from cryo import fonts, texts
from cryo.view import (
    FIELD_APPLICATOR,
    FIELD_CYCLES,
    FIELD_DEPTH,
    FIELD_PROFILE,
    NO_NOTICE,
    NOT_CALIBRATED,
    REACH,
)

BOOT = const(0)
READY = const(1)
ARMED = const(2)
FREEZING = const(3)
DONE = const(4)
FAULT = const(5)
CONFIRM = const(6)
REFUSED = const(7)  # a title and three lines: also of questions and prompts
SCREENING = const(8)
PRECHILL = const(9)
PURGING = const(10)
THAWING = const(11)
MENU = const(12)
INFORMATION = const(13)

_BAR_X = const(70)
_BAR_WIDTH = const(56)
_SIDE = const(72)  # FREEZING's column right of the seconds
_POINT = const(10)  # "." in fonts.NUMBER
_DASH = const(11)

# fonts.ICON
_DEWAR = const(0)
_SNOW = const(1)
_DOWN = const(2)
_CLOCK = const(3)
_DEGREE = const(4)
_TIMES = const(5)
_SPREAD = const(6)
_LOW_M = const(7)
_TICK = const(8)

# fonts.TEXT begins at the space
_SPACE = const(0)
_MINUS = const(13)
_DOT = const(14)
_SLASH = const(15)
_ZERO = const(16)
_BIG_C = const(35)
_M = const(77)
_S = const(83)


def _nothing(canvas, view, cache):
    pass


# -- numbers --------------------------------------------------------------------------------------


def _tenths(ms):
    """A time in tenths of a second, to the nearest."""
    return (ms + 50) // 100


def _tenths_text(ms):
    tenths = _tenths(ms)
    return "%d.%d" % (tenths // 10, tenths % 10)


def _seconds(canvas, x, tenths):
    """Draw `12.9` at pages 2...5."""
    canvas.number(fonts.NUMBER, x, 2, tenths // 10, 2)
    canvas.place(fonts.NUMBER, x + 30, 2, _POINT)
    canvas.place(fonts.NUMBER, x + 44, 2, tenths % 10)


def _depth(canvas, x, um):
    """Draw `2.3` at pages 2...5; without decimal point from 10 mm."""
    if um >= 10000:
        canvas.number(fonts.NUMBER, x, 2, um // 1000, 2)
        canvas.place(fonts.NUMBER, x + 32, 2, -1)
    else:
        canvas.place(fonts.NUMBER, x, 2, um // 1000)
        canvas.place(fonts.NUMBER, x + 28, 2, um // 100 % 10)
        canvas.pixels.fill_rect(x + 16, 16, 12, 32, 0)
        canvas.pixels.fill_rect(x + 20, 38, 4, 4, 1)
        canvas.touch(2, 4)


def _letter(canvas, index, x, page):
    canvas.glyph(fonts.TEXT, index, x, page)


def _digits(canvas, x, page, value, digits):
    """Draw a number of 0...999 right-aligned in `digits` (1...3) columns of text."""
    last = x + 8 * (digits - 1)
    _letter(canvas, _ZERO + value % 10, last, page)
    if digits > 1:
        _letter(canvas, _ZERO + value // 10 % 10 if value >= 10 else _SPACE, last - 8, page)
    if digits > 2:
        _letter(canvas, _ZERO + value // 100 % 10 if value >= 100 else _SPACE, x, page)


def _degrees(canvas, x, page, c_x100):
    """Draw ` -196`, rounded to the nearest degree, in four columns, and the degree sign."""
    whole = (c_x100 + 50) // 100
    size = -whole if whole < 0 else whole
    if size > 999:
        size = 999
    _digits(canvas, x + 8, page, size, 3)
    at = x + 16 if size < 10 else x + 8 if size < 100 else x
    if size < 100:
        _letter(canvas, _SPACE, x, page)
    _letter(canvas, _MINUS if whole < 0 else _SPACE, at, page)
    canvas.glyph(fonts.ICON, _DEGREE, x + 32, page)


def _large_degrees(canvas, c_x100):
    """Draw `-196` at pages 2...5, x = 0...63."""
    whole = (c_x100 + 50) // 100
    size = -whole if whole < 0 else whole
    canvas.number(fonts.NUMBER, 16, 2, size, 3)
    if whole >= 0:
        canvas.place(fonts.NUMBER, 0, 2, -1)
    elif size >= 100:
        canvas.place(fonts.NUMBER, 0, 2, _DASH)
    else:
        canvas.place(fonts.NUMBER, 0, 2, -1)
        canvas.place(fonts.NUMBER, 16 if size >= 10 else 32, 2, _DASH)


# -- lines ----------------------------------------------------------------------------------------


def _bottom(canvas, string):
    canvas.centred(fonts.TEXT, 6, string)


def _line(canvas, page, string, chosen):
    """Draw a line of a list; the chosen one is dark on light over the full width."""
    if chosen:
        canvas.pixels.fill_rect(0, page * 8, 128, 16, 1)
        canvas.touch(page, 2)
    canvas.text(fonts.TEXT, 0, page, string, 0xFF if chosen else 0)


def _right(canvas, page, string, invert=0):
    canvas.text(fonts.TEXT, 128 - canvas.width(string), page, string, invert)


# -- the screens ----------------------------------------------------------------------------------


def _boot_enter(canvas, view):
    canvas.title("CRYODOSE", 0)
    canvas.centred(fonts.TEXT, 3, texts.say(texts.SELF_TEST))
    canvas.centred(fonts.SMALL, 7, view.version)


def _dose_row(canvas, view):
    _depth(canvas, 0, view.depth_um)
    canvas.glyph(fonts.ICON, _LOW_M, 44, 4)
    canvas.glyph(fonts.ICON, _LOW_M, 52, 4)
    if view.margin_um:
        tenths = view.margin_um // 100
        margin = "+%d" % (tenths // 10) if tenths > 9 else "+"
        if tenths % 10:
            margin += ".%d" % (tenths % 10)
        canvas.text(fonts.SMALL, 53 - 5 * len(margin) // 2, 2, margin)
    if view.dose_ms < 0:
        canvas.place(fonts.NUMBER, 68, 2, _DASH)
        canvas.place(fonts.NUMBER, 84, 2, _DASH)
        canvas.place(fonts.NUMBER, 104, 2, -1)
    else:
        _seconds(canvas, 62, _tenths(view.dose_ms))
        canvas.text(fonts.SMALL, 123, 5, "s")
        _spread(canvas, view.spread_um)


def _spread(canvas, um):
    """Draw `±.2` between depth and seconds: the spread of the depth. Rounded up."""
    if um <= 0:
        return
    tenths = (um + 99) // 100
    canvas.glyph(fonts.ICON, _SPREAD, 43, 3)
    if tenths < 10:
        canvas.pixels.fill_rect(49, 34, 2, 2, 1)
    else:
        tenths = (tenths + 9) // 10  # whole mm
    _letter(canvas, _ZERO + tenths % 10, 52, 3)


def _ready_update(canvas, view, cache):
    """The top line, which changes every 2 s: the whole screen would take 25 ms."""
    if cache[0] == view.notice:
        return
    if cache[0] != -1:
        canvas.clear_line(0, 128)
    cache[0] = view.notice
    if view.hint:
        canvas.title(view.hint)
    elif view.notice == NOT_CALIBRATED:
        canvas.title(texts.say(texts.UNCALIBRATED))  # H-26
    elif view.notice == REACH:
        canvas.title(view.range_text)  # H-30
    elif view.notice != NO_NOTICE:
        canvas.title(texts.say(texts.PULL_LOG) % view.notice, 0)
    else:
        _nitrogen(canvas, view)
        _right(canvas, 0, texts.say(texts.HOLD_ARM))


def _ready_enter(canvas, view):
    _dose_row(canvas, view)
    field = view.field
    if field == FIELD_DEPTH:
        canvas.pixels.fill_rect(0, 46, 44, 2, 1)
        canvas.touch(5, 1)
        if view.dose_ms < 0:
            _bottom(canvas, view.range_text)
        else:
            _beside(canvas, view)
    elif field == FIELD_APPLICATOR:
        if view.dose_ms < 0:
            canvas.glyph(fonts.ICON, _DOWN, 120, 4)
        _field(canvas, view.applicator)
    elif field == FIELD_PROFILE:
        _field(canvas, view.profile_name)
    elif field == FIELD_CYCLES:
        _field(canvas, "%d " % view.cycles + texts.say(texts.CYCLES))
    elif view.patient_ref:
        _field(canvas, texts.say(texts.PATIENT) + " %d" % view.patient_ref)
    else:
        _field(canvas, texts.say(texts.NO_PATIENT))


def _nitrogen(canvas, view):
    """Draw the number of freezes of this dose in the dewar, and their time: `3 x 10s`; or who is
    signed in: `3 x Op 2`, since the time stands below anyway."""
    canvas.glyph(fonts.ICON, _DEWAR, 0, 0)
    if view.shots_left < 0:
        canvas.text(fonts.TEXT, 8, 0, "--")
        return
    x = canvas.text(fonts.TEXT, 9, 0, "%d" % min(view.shots_left, 99))
    canvas.glyph(fonts.ICON, _TIMES, x, 0)
    if view.operator:
        canvas.text(fonts.SMALL, x + 9, 1, "Op %d" % view.operator)
    else:
        canvas.text(fonts.TEXT, x + 7, 0, "%ds" % ((max(view.dose_ms, 0) + 999) // 1000))


def _field(canvas, string):
    """Draw the chosen field on the bottom line."""
    canvas.pixels.fill_rect(0, 48, 128, 16, 1)
    canvas.touch(6, 2)
    canvas.centred(fonts.TEXT, 6, string, 0xFF)


def _beside(canvas, view):
    """Draw applicator, cycles if there are more than one, and remaining observation time."""
    if view.cycles < 2 and view.observe_ms < 0:
        _bottom(canvas, view.applicator)
        return
    canvas.text(fonts.TEXT, 0, 6, view.applicator)
    if view.cycles > 1:
        canvas.glyph(fonts.ICON, _TIMES, 97, 6)
        _letter(canvas, _ZERO + view.cycles % 10, 102, 6)
    if view.observe_ms >= 0:
        canvas.glyph(fonts.ICON, _CLOCK, 110, 6)
        canvas.text(fonts.SMALL, 118, 7, "%2d" % ((view.observe_ms + 59999) // 60000))


def _of_cycles(canvas, x, page, view):
    """Draw `1/2` if there is more than one cycle; returns x behind it."""
    if view.cycles < 2:
        return x
    return canvas.text(fonts.TEXT, x, page, "%d/%d" % (view.cycle, view.cycles))


def _armed_enter(canvas, view):
    title = texts.say(texts.PRESS_PEDAL if view.pedal else texts.HOLD_TRIGGER)  # H-22
    canvas.title(view.closing_text or title)
    _dose_row(canvas, view)


def _armed_whom(canvas, view):
    # The patient's number, if set. H-18
    if view.patient_ref:
        x = canvas.text(fonts.TEXT, 0, 6, "#%d" % view.patient_ref)
    else:
        x = canvas.text(fonts.TEXT, 4, 6, texts.say(texts.ARMED))
    _of_cycles(canvas, x + 6, 6, view)


def _armed_update(canvas, view, cache):
    if cache[0] != view.timeout_s:
        cache[0] = view.timeout_s
        # In turn, 2 s each: the patient; the applicator (H-06); that it is not calibrated (H-26),
        # and which depths the plan may reach (H-30)
        turn = (view.timeout_s >> 1) % (2 if view.calibrated else 4)
        if cache[1] != turn:
            cache[1] = turn
            canvas.clear_line(6, 92)
            if turn == 3:
                # Without the isotherm, for which there is no room
                canvas.text(fonts.TEXT, 0, 6, view.range_text[view.range_text.find(" ") + 1 :])
            elif turn == 2:
                canvas.text(fonts.TEXT, 0, 6, texts.say(texts.UNCALIBRATED_SHORT))
            elif turn:
                canvas.text(fonts.TEXT, 0, 6, view.applicator)
            else:
                _armed_whom(canvas, view)
        _digits(canvas, 92, 6, view.timeout_s, 3)
        _letter(canvas, _S, 116, 6)


def _patch(canvas, string):
    """A text of FREEZING's right column as a font of one glyph: with the valve open nothing is
    built, and no glyph is read from flash."""
    canvas.pixels.fill_rect(_SIDE, 0, 56, 16, 1)
    canvas.text(fonts.TEXT, _SIDE, 0, string, 0xFF)
    first = 1 + _SIDE
    data = bytes(canvas.page[0][first : first + 56]) + bytes(canvas.page[1][first : first + 56])
    canvas.pixels.fill_rect(_SIDE, 0, 56, 16, 0)
    return 56, 2, "", data


def _freezing_enter(canvas, view):
    if view.witnessed:
        for i in range(4):
            view.patches[i] = _patch(canvas, view.lines[i])
    if view.target_um:
        um = view.target_um
        canvas.text(fonts.TEXT, _SIDE, 0, "/%d.%dmm" % (um // 1000, um // 100 % 10))
    else:
        canvas.text(fonts.TEXT, _SIDE, 0, "/" + _tenths_text(view.planned_ms) + "s")
    canvas.glyph(fonts.ICON, _DOWN, _SIDE, 2)
    canvas.text(fonts.TEXT, _SIDE + 8, 2, " --mm" if view.estimate_um < 0 else "0.0mm")
    canvas.glyph(fonts.ICON, _SNOW, _SIDE, 4)
    canvas.text(fonts.TEXT, _SIDE + 8, 4, " --s")
    canvas.bar_frame(_BAR_X, 6, _BAR_WIDTH)


def _ice(canvas, seconds):
    _digits(canvas, _SIDE + 8, 4, seconds, 3)
    _letter(canvas, _S, _SIDE + 32, 4)


def _freezing_update(canvas, view, cache):
    # One piece a call keeps the ticks short; the number comes first. Seconds are rounded up, so
    # that 0 means that the freeze is over.
    seconds = (view.remaining_ms + 999) // 1000
    if view.ice_ms == 0 and cache[3]:  # just marked, or marked again
        cache[3] = 0
        _ice(canvas, 0)
        return
    if cache[0] != seconds:
        tens = seconds // 10
        if cache[1] != tens:
            cache[1] = tens
            canvas.place(fonts.HUGE, 0, 0, tens if tens else -1)
        cache[0] = seconds
        canvas.place(fonts.HUGE, 32, 0, seconds % 10)
        return
    if view.ice_ms >= 0 and cache[3] != view.ice_ms // 1000:
        cache[3] = view.ice_ms // 1000
        _ice(canvas, cache[3])
        return
    if view.doubt:
        _doubt_update(canvas, view, cache)
        return
    if view.estimate_um >= 0:
        tenths = view.estimate_um // 100  # rounded down: never deeper than estimated
        if cache[4] != tenths:
            cache[4] = tenths
            whole = tenths // 10
            _letter(canvas, _ZERO + whole % 10, _SIDE + 8, 2)
            _letter(canvas, _DOT, _SIDE + 16, 2)
            _letter(canvas, _ZERO + tenths % 10, _SIDE + 24, 2)
            return
    filled = (_BAR_WIDTH - 4) * (view.planned_ms - view.remaining_ms) // view.planned_ms
    if filled - cache[2] >= 4 or cache[2] < 0:
        canvas.bar_fill(_BAR_X, 6, cache[2] if cache[2] > 0 else 0, filled)
        cache[2] = filled


def _doubt_update(canvas, view, cache):
    """The warning in place of plan and estimate, and an unknown depth in place of the bar. H-27"""
    piece = cache[5] + 1
    if piece > 2:
        return
    cache[5] = piece
    if piece < 2:
        canvas.glyph(view.patches[2 * view.doubt - 2 + piece], 0, _SIDE, 2 * piece)
        return
    canvas.pixels.fill_rect(_BAR_X, 48, _BAR_WIDTH + 2, 16, 0)
    canvas.glyph(fonts.ICON, _DOWN, _SIDE, 6)
    for i in range(4):
        index = _MINUS if i < 2 else _M
        _letter(canvas, index, _SIDE + 16 + 8 * i, 6)
    canvas.touch(6, 2)


def _verdict(view):
    """What the estimate of the last freeze warns of, as a title; empty if of nothing."""
    if view.doubt:
        return texts.say(texts.NOT_ON_SKIN if view.doubt == 1 else texts.DEPTH_UNKNOWN)  # H-27
    if view.deep:
        return texts.say(texts.TOO_DEEP)  # H-28
    if view.short:
        return texts.say(texts.TOO_SHALLOW if view.short == 1 else texts.MAYBE_SHALLOW)  # H-30
    return ""


def _done_enter(canvas, view):
    warns = _verdict(view)
    title = warns or texts.say(texts.COMPLETE if view.complete else texts.ENDED_EARLY)
    whole = view.complete and view.cycle >= view.cycles
    if view.complete and not whole and not warns:
        title = texts.say(texts.CYCLES_DONE) % (view.cycle, view.cycles)
    before = view.interruptions if view.complete else view.interruptions - 1
    if before > 0:
        title += " !%d" % before  # number of earlier interruptions
    canvas.title(title, 0 if whole and before <= 0 and not warns else 0xFF)
    # Rounded down after an early end, so that it never looks complete.
    _seconds(canvas, 0, _tenths(view.delivered_ms) if view.complete else view.delivered_ms // 100)
    canvas.text(fonts.TEXT, 64, 2, "/" + _tenths_text(view.planned_ms) + "s")
    _degrees(canvas, 64, 4, view.nozzle_min_c_x100)
    _letter(canvas, _BIG_C, 104, 4)
    if view.cycles < 2:
        _bottom(canvas, texts.say(texts.SELECT_OK))
    else:
        _of_cycles(canvas, 0, 6, view)
        _right(canvas, 6, texts.say(texts.SELECT_OK))


def _lines_enter(canvas, view):
    canvas.title(view.title)
    for i in range(3):
        canvas.centred(fonts.TEXT, 2 + 2 * i, view.lines[i])


def _confirm_enter(canvas, view):
    canvas.title(texts.say(texts.HOLD_SELECT_OK))
    name = view.confirm_key
    cut = name.find("\n")
    if cut < 0:
        cut = len(name)
    while canvas.width(name[:cut]) > 128:
        space = name.rfind(" ", 0, cut)
        cut = space if space > 0 else cut - 1
    canvas.centred(fonts.TEXT, 2, name[:cut])
    rest = name[cut:].strip()
    new = view.confirm_new + view.confirm_unit
    if rest:
        canvas.centred(fonts.TEXT, 4, rest)
        if view.confirm_old:
            both = view.confirm_old + " -> " + new
            new = both if canvas.width(both) <= 128 else view.confirm_old + "->" + new
    elif view.confirm_old:
        canvas.centred(fonts.TEXT, 4, view.confirm_old + view.confirm_unit)
        wide = canvas.width(new) > 104
        new = ("->" if wide else "-> ") + new
    canvas.centred(fonts.TEXT, 6, new)


def _screening_enter(canvas, view):
    # The question and its answer above, the items below. The chosen line is dark on light.
    invert = 0xFF if view.item < 0 else 0
    canvas.pixels.fill_rect(0, 0, 128, 16, 1 if invert else 0)
    canvas.touch(0, 2)
    marked = view.marked  # bits of the items of this page that a physician has overridden
    question = texts.say(
        texts.THIS_APPLIES if view.item >= 0 else texts.NO_MORE if marked else texts.NONE_APPLIES
    )
    canvas.text(fonts.TEXT, 0, 0, question, invert)
    if view.pages and (not marked or view.item >= 0):
        canvas.text(fonts.TEXT, 104, 0, "%d/%d" % (view.page, view.pages), invert)
    for i in range(view.items):
        _line(canvas, 2 + 2 * i, view.item_words[i], i == view.item)
        if marked & (1 << i):
            # Reversed against its line, since it may cover a 16th character.
            canvas.glyph(fonts.ICON, _TICK, 120, 2 + 2 * i, 0 if i == view.item else 0xFF)


def _prechill_enter(canvas, view):
    canvas.title(texts.say(texts.REWARMED if view.rewarmed else texts.POINT_AWAY))
    canvas.glyph(fonts.ICON, _DEGREE, 66, 2)
    _letter(canvas, _BIG_C, 72, 2)
    _of_cycles(canvas, 104, 2, view)
    if view.rewarmed:
        _bottom(canvas, texts.say(texts.ARM_TO_PURGE))
    elif not view.cold:
        _bottom(canvas, texts.say(texts.PEDAL_PRESSED if view.pedal else texts.TRIGGER_HELD))
    elif view.pressed:  # if the pedal is already released, ARMED follows automatically
        _bottom(canvas, texts.say(texts.LET_PEDAL_GO if view.pedal else texts.LET_GO))


def _temperature_update(canvas, view, cache):
    whole = (view.nozzle_c_x100 + 50) // 100
    if cache[0] != whole + 1000:
        cache[0] = whole + 1000
        _large_degrees(canvas, view.nozzle_c_x100)
        return True
    return False


def _prechill_update(canvas, view, cache):
    _temperature_update(canvas, view, cache)


def _purging_enter(canvas, view):
    canvas.title(texts.say(texts.POINT_AWAY))
    canvas.glyph(fonts.ICON, _DEGREE, 66, 2)
    _letter(canvas, _BIG_C, 72, 2)
    _letter(canvas, _S, 118, 4)
    _bottom(canvas, texts.say(texts.PEDAL_STOPS if view.pedal else texts.KEEP_HOLDING))


def _purging_update(canvas, view, cache):
    seconds = view.purge_ms // 1000
    if cache[1] != seconds:
        cache[1] = seconds
        _digits(canvas, 98, 4, seconds, 2)
        return
    # Four times a second: the OLED needs 80 ms to redraw the digits, and they must be readable.
    quarter = view.purge_ms // 250
    if cache[2] != quarter:
        cache[2] = quarter
        _temperature_update(canvas, view, cache)


def _thawing_enter(canvas, view):
    # `_thawing_update` draws the next action, since it changes while this screen is shown.
    warns = _verdict(view)
    title = warns or texts.say(texts.THAWED if view.thawed else texts.THAWING)
    canvas.title(title, 0xFF if warns else 0)
    canvas.pixels.fill_rect(36, 24, 4, 4, 1)  # the colon
    canvas.pixels.fill_rect(36, 36, 4, 4, 1)
    _of_cycles(canvas, 104, 2, view)


def _thawing_update(canvas, view, cache):
    seconds = view.thaw_ms // 1000
    if cache[0] != seconds:
        cache[0] = seconds
        canvas.number(fonts.NUMBER, 0, 2, seconds // 60 % 100, 2)
        canvas.number(fonts.NUMBER, 44, 2, seconds % 60, 2, 0)
        if view.skin_valid:
            _degrees(canvas, 84, 4, view.skin_c_x100)
    # Rounded up: at 0, SELECT is accepted.
    wait_s = (view.thaw_min_ms - view.thaw_ms + 999) // 1000
    if view.thawed or wait_s < 0:
        wait_s = 0
    if cache[1] != wait_s:
        if not wait_s or cache[1] < 0:
            canvas.pixels.fill_rect(0, 48, 128, 16, 0)
            canvas.touch(6, 2)
            if wait_s:
                canvas.text(fonts.TEXT, 20, 6, texts.say(texts.WAIT))
            else:
                _bottom(
                    canvas, texts.say(texts.HOLD_ARM_NEXT if view.thawed else texts.SELECT_THAWED)
                )
        cache[1] = wait_s
        if wait_s:
            _digits(canvas, 76, 6, wait_s, 3)
            _letter(canvas, _S, 100, 6)


def _menu_enter(canvas, view):
    canvas.text(fonts.TEXT, 0, 0, texts.say(texts.ARM_BACK))
    for i in range(view.items):
        _menu_line(canvas, view, i)


def _menu_line(canvas, view, i):
    chosen = i == view.item
    _line(canvas, 2 + 2 * i, view.item_words[i], chosen)
    _right(canvas, 2 + 2 * i, view.item_values[i], 0xFF if chosen else 0)


def _menu_update(canvas, view, cache):
    # Only the lines that a press changes, to keep the latency low.
    if cache[0] >= 0:
        if cache[0] != view.item:
            canvas.pixels.fill_rect(0, 16 + 16 * cache[0], 128, 16, 0)
            _menu_line(canvas, view, cache[0])
        _menu_line(canvas, view, view.item)
    cache[0] = view.item
    if cache[1] != view.page:
        cache[1] = view.page
        _right(canvas, 0, "%d/%d" % (view.page, view.pages))


# enter, update; by number
SCREENS = (
    (_boot_enter, _nothing),
    (_ready_enter, _ready_update),
    (_armed_enter, _armed_update),
    (_freezing_enter, _freezing_update),
    (_done_enter, _nothing),
    (_lines_enter, _nothing),
    (_confirm_enter, _nothing),
    (_lines_enter, _nothing),
    (_screening_enter, _nothing),
    (_prechill_enter, _prechill_update),
    (_purging_enter, _purging_update),
    (_thawing_enter, _thawing_update),
    (_menu_enter, _menu_update),
    (_lines_enter, _nothing),
)
