"""The OLED: shows one of `screens`, and sends the pages that changed, one or two a tick.

May import micropython.const, cryo's canvas, screens, view. Controls: H-09, H-14 (a screen that does
not answer is reported; nothing waits for it).
"""

from micropython import const

from cryo import screens, view
from cryo.canvas import PAGES, Canvas

# Display.request: the greater one counts
NOTHING = const(0)
_REFRESH = const(1)
MARK = const(2)
REDRAW = const(3)

_SILENT_MOST = const(3)
_REFRESH_TICKS = const(62)  # a page is sent again: all of them in 5 s, so a disturbed screen heals


class Display:
    """`failed` becomes True when the screen has not answered three times in a row."""

    def __init__(self, driver):
        self.view = view.View()
        self.failed = False
        self.canvas = Canvas()
        self._driver = driver
        self._shown = -1
        self._seen = [-1] * 6
        self._next = 0
        self._ticks = 0
        self._refreshed = 0
        self.urgent = 0  # 2: a piece has just been drawn; 1: it is sent before all else
        self.request = NOTHING  # what the presenter is asked for in this tick

    def redraw(self):
        """Ask for the screen of the present state, from its beginning."""
        self.request = REDRAW

    def mark(self):
        """Ask for the mark of the ice field, before anything else is sent."""
        if self.request < MARK:
            self.request = MARK

    def refresh(self):
        """Ask for what has changed on the present screen."""
        if self.request < _REFRESH:
            self.request = _REFRESH

    def start(self):
        """Set the screen up and clear it before it lights. Takes 30 ms."""
        driver = self._driver
        answered = driver.start()
        for page in range(PAGES):
            answered = answered and driver.page(page, self.canvas.page[page])
        self.failed = not (answered and driver.light())
        self.canvas.dirty = 0

    def contrast(self, value):
        """Brightness of the screen, 0...255."""
        if not self.failed:
            self._driver.contrast(value)

    def show(self, screen):
        """Show a screen from its beginning. Only the pages that it changes are sent, to keep the
        latency from button to screen low."""
        self._shown = screen
        self.urgent = 0
        seen = self._seen
        for i in range(len(seen)):
            seen[i] = -1
        canvas = self.canvas
        unsent = canvas.dirty
        canvas.keep()
        canvas.clear()
        enter, update = screens.SCREENS[screen]
        enter(canvas, self.view)
        update(canvas, self.view, seen)
        canvas.dirty = unsent | canvas.changed()

    def update(self):
        """Bring the shown screen up to date with the view."""
        _, update = screens.SCREENS[self._shown]
        update(self.canvas, self.view, self._seen)

    def hurry(self):
        """Draw a piece now, and send its first page in the next tick, whatever else waits: what
        was pressed is seen at once, also while the valve is open."""
        canvas = self.canvas
        waiting = canvas.dirty
        canvas.dirty = 0
        self.update()
        for page in range(PAGES):
            if canvas.dirty & (1 << page):
                self._next = page
                self.urgent = 2
                break
        canvas.dirty |= waiting

    def step_urgent(self):
        """In place of `step` while `urgent`: one tick draws, the next one sends."""
        self.urgent -= 1
        if not self.urgent:
            self.step(1)

    def step(self, pages):
        """Send up to `pages` changed pages (3 ms each). Whether it took that time."""
        canvas = self.canvas
        self._ticks += 1
        if self._ticks >= _REFRESH_TICKS:
            self._ticks = 0
            self._refreshed = (self._refreshed + 1) % PAGES
            canvas.touch(self._refreshed, 1)
        if not canvas.dirty or self.failed:
            return False
        page = self._next
        while pages and canvas.dirty:
            bit = 1 << page
            if canvas.dirty & bit:
                if self._driver.page(page, canvas.page[page]):
                    canvas.dirty &= ~bit
                elif self._driver.silent >= _SILENT_MOST:
                    self.failed = True
                    return True
                pages -= 1
            page = (page + 1) % PAGES
        self._next = page
        return True
