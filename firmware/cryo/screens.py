"""What each screen shows. Every screen is a pair of functions with the same signature:
`enter(canvas, view)` draws all of it, `update(canvas, view, seen)` redraws what has changed.

Pure drawing; may import micropython.const, cryo's canvas, fonts. Controls: H-09 (state, number
and next action can be read at arm's length), H-06 (what will be done is shown before it is).

`view` is filled by `App`; `seen` is a list of small integers that belongs to the screen while
it is shown (-1 = not drawn yet). Updates allocate nothing.
"""

from micropython import const

from cryo import fonts

BOOT = const(0)
READY = const(1)
ARMED = const(2)
FREEZING = const(3)
DONE = const(4)
FAULT = const(5)
CONFIRM = const(6)
REFUSED = const(7)

FIELD_DEPTH = const(0)
FIELD_APPLICATOR = const(1)

_BAR_X = const(70)
_BAR_WIDTH = const(56)
_POINT = const(10)  # "." in fonts.NUMBER
_DASH = const(11)


class View:
    """What the screens may know. Integers in the unit of their names; words as strings."""

    def __init__(self):
        self.version = ""
        self.depth_um = 0
        self.dose_ms = 0  # negative: the depth is outside the applicator's table
        self.applicator = ""
        self.range_text = ""  # the table's range in words
        self.hint = ""  # what stands against arming, or what to do
        self.field = FIELD_DEPTH
        self.remaining_ms = 0
        self.planned_ms = 0
        self.delivered_ms = 0
        self.complete = False
        self.timeout_s = 0
        self.title = ""
        self.lines = [""] * 3
        self.confirm_key = ""
        self.confirm_text = ""


def _tenths(ms):
    """A time in tenths of a second, to the nearest."""
    return (ms + 50) // 100


def _seconds(canvas, x, tenths):
    """`12.9` at pages 2...5."""
    canvas.number(fonts.NUMBER, x, 2, tenths // 10, 2)
    canvas.place(fonts.NUMBER, x + 30, 2, _POINT)
    canvas.place(fonts.NUMBER, x + 44, 2, tenths % 10)


def _depth(canvas, x, um):
    """`2.3 mm` at pages 2...5; 10 mm and more have no point."""
    if um >= 10000:
        canvas.number(fonts.NUMBER, x, 2, um // 1000, 2)
        canvas.place(fonts.NUMBER, x + 32, 2, -1)
    else:
        canvas.place(fonts.NUMBER, x, 2, um // 1000)
        canvas.place(fonts.NUMBER, x + 28, 2, um // 100 % 10)
        canvas.pixels.fill_rect(x + 16, 16, 12, 32, 0)
        canvas.pixels.fill_rect(x + 20, 38, 4, 4, 1)
        canvas.touch(2, 4)


def _boot_enter(canvas, view):
    canvas.title("CRYODOSE", 0)
    canvas.centred(fonts.TEXT, 3, "self-test")
    canvas.centred(fonts.SMALL, 7, "version " + view.version)


def _nothing(canvas, view, seen):
    pass


def _dose_row(canvas, view):
    _depth(canvas, 0, view.depth_um)
    canvas.text(fonts.TEXT, 44, 4, "mm")
    if view.dose_ms < 0:
        canvas.place(fonts.NUMBER, 68, 2, _DASH)
        canvas.place(fonts.NUMBER, 84, 2, _DASH)
        canvas.place(fonts.NUMBER, 104, 2, -1)
    else:
        _seconds(canvas, 62, _tenths(view.dose_ms))
        canvas.text(fonts.SMALL, 123, 5, "s")


def _ready_enter(canvas, view):
    canvas.title(view.hint, 0)
    _dose_row(canvas, view)
    if view.field == FIELD_DEPTH:
        canvas.pixels.hline(0, 47, 44, 1)
        canvas.pixels.hline(0, 46, 44, 1)
        canvas.touch(5, 1)
    if view.dose_ms < 0:
        canvas.centred(fonts.TEXT, 6, view.range_text)
    else:
        canvas.centred(
            fonts.TEXT, 6, view.applicator, 0xFF if view.field == FIELD_APPLICATOR else 0
        )


def _armed_enter(canvas, view):
    canvas.title("HOLD TRIGGER")
    _dose_row(canvas, view)
    canvas.text(fonts.TEXT, 4, 6, "ARMED")


def _armed_update(canvas, view, seen):
    if seen[0] != view.timeout_s:
        seen[0] = view.timeout_s
        second = view.timeout_s % 10
        tens = view.timeout_s // 10 % 10
        hundreds = view.timeout_s // 100
        canvas.glyph(fonts.TEXT, 16 + hundreds if hundreds else 0, 92, 6)
        canvas.glyph(fonts.TEXT, 16 + tens if tens or hundreds else 0, 100, 6)
        canvas.glyph(fonts.TEXT, 16 + second, 108, 6)
        canvas.glyph(fonts.TEXT, 83, 116, 6)  # "s"


def _freezing_enter(canvas, view):
    canvas.text(fonts.TEXT, 72, 0, "FREEZE")
    canvas.text(fonts.SMALL, 72, 2, "s left of")
    tenths = _tenths(view.planned_ms)
    canvas.text(fonts.TEXT, 72, 3, "%d.%d s" % (tenths // 10, tenths % 10))
    canvas.bar_frame(_BAR_X, 6, _BAR_WIDTH)


def _freezing_update(canvas, view, seen):
    # One piece a call, so that no tick is long; the number first. Seconds are rounded up, so
    # that 0 means that it is over.
    seconds = (view.remaining_ms + 999) // 1000
    if seen[0] != seconds:
        tens = seconds // 10
        if seen[1] != tens:
            seen[1] = tens
            canvas.place(fonts.HUGE, 0, 0, tens if tens else -1)
        seen[0] = seconds
        canvas.place(fonts.HUGE, 32, 0, seconds % 10)
        return
    filled = (_BAR_WIDTH - 4) * (view.planned_ms - view.remaining_ms) // view.planned_ms
    if filled - seen[2] >= 4 or seen[2] < 0:
        canvas.bar_fill(_BAR_X, 6, seen[2] if seen[2] > 0 else 0, filled)
        seen[2] = filled


def _done_enter(canvas, view):
    canvas.title("FREEZE COMPLETE" if view.complete else "ENDED EARLY", 0 if view.complete else 255)
    # Rounded down when it ended early, so that it never looks complete.
    _seconds(canvas, 0, _tenths(view.delivered_ms) if view.complete else view.delivered_ms // 100)
    canvas.text(fonts.SMALL, 64, 5, "s of")
    tenths = _tenths(view.planned_ms)
    canvas.text(fonts.TEXT, 88, 4, "%d.%d" % (tenths // 10, tenths % 10))
    canvas.text(fonts.SMALL, 122, 5, "s")
    canvas.centred(fonts.TEXT, 6, "SELECT = OK")


def _lines_enter(canvas, view):
    canvas.title(view.title)
    for i in range(3):
        canvas.centred(fonts.TEXT, 2 + 2 * i, view.lines[i])


def _confirm_enter(canvas, view):
    canvas.title("HOLD SELECT = OK")
    words = view.confirm_key.replace("_", " ")
    cut = len(words)
    while cut > 16:
        cut = words.rfind(" ", 0, cut)
    canvas.centred(fonts.TEXT, 2, words[:cut])
    canvas.centred(fonts.TEXT, 4, words[cut + 1 :])
    canvas.centred(fonts.TEXT, 6, view.confirm_text)


# enter, update; by number
SCREENS = (
    (_boot_enter, _nothing),
    (_ready_enter, _nothing),
    (_armed_enter, _armed_update),
    (_freezing_enter, _freezing_update),
    (_done_enter, _nothing),
    (_lines_enter, _nothing),
    (_confirm_enter, _nothing),
    (_lines_enter, _nothing),
)
