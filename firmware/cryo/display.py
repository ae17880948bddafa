"""The OLED: shows one of `screens`, and sends the pages that changed, one or two a tick.

May import micropython.const, cryo's canvas, screens, view. Controls: H-09, H-14 (a display that
does not acknowledge is reported, and does not block the loop).
"""

from micropython import const

from cryo import screens, view
from cryo.canvas import PAGES, Canvas

# Display.request, in ascending priority
NOTHING = const(0)
_REFRESH = const(1)
MARK = const(2)
REDRAW = const(3)

_SILENT_MOST = const(3)
_REFRESH_TICKS = const(62)  # resend one page each: all of them in 5 s, to repair a disturbed OLED


class Display:
    """`failed` becomes True when three consecutive transfers were not acknowledged."""

    def __init__(self, driver):
        self.view = view.View()
        self.failed = False
        self.canvas = Canvas()
        self._driver = driver
        self._shown = -1
        self._cache = [-1] * 6  # the screen's values as last drawn
        self._next = 0
        self._ticks = 0
        self._refreshed = 0
        self.urgent = 0  # 2: a piece has just been drawn; 1: it is sent first in this tick
        self.request = NOTHING  # requested of the presenter in this tick

    def redraw(self):
        """Request a full redraw of the present state's screen."""
        self.request = REDRAW

    def mark(self):
        """Request the ice field mark, to be sent before anything else."""
        if self.request < MARK:
            self.request = MARK

    def refresh(self):
        """Request an update of the values that have changed on the present screen."""
        if self.request < _REFRESH:
            self.request = _REFRESH

    def start(self):
        """Configure the OLED and clear it before switching it on. Takes 30 ms."""
        driver = self._driver
        answered = driver.start()
        for page in range(PAGES):
            answered = answered and driver.page(page, self.canvas.page[page])
        self.failed = not (answered and driver.light())
        self.canvas.dirty = 0

    def contrast(self, value):
        """Brightness of the OLED, 0...255."""
        if not self.failed:
            self._driver.contrast(value)

    def show(self, screen):
        """Draw a screen in full. Only the pages that changed are sent, to keep button-to-screen
        latency low."""
        self._shown = screen
        self.urgent = 0
        cache = self._cache
        for i in range(len(cache)):
            cache[i] = -1
        canvas = self.canvas
        unsent = canvas.dirty
        canvas.keep()
        canvas.clear()
        enter, update = screens.SCREENS[screen]
        enter(canvas, self.view)
        update(canvas, self.view, cache)
        canvas.dirty = unsent | canvas.changed()

    def update(self):
        """Redraw what has changed in the view."""
        _, update = screens.SCREENS[self._shown]
        update(self.canvas, self.view, self._cache)

    def hurry(self):
        """Draw a piece now and send its first page in the next tick, before all other pages: a
        button press shows within two ticks, even while the valve is open."""
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
        """Replaces `step` while `urgent`: one tick draws, the next one sends."""
        self.urgent -= 1
        if not self.urgent:
            self.step(1)

    def step(self, pages):
        """Send up to `pages` changed pages (3 ms each). Returns whether any was sent."""
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
