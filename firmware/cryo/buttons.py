"""Button debouncing: levels -> pressed, released, clicked, held, repeating.

Pure; may import micropython.const. Controls: H-04 (a bouncing or stuck button must not act;
one that stays closed is reported),
H-01 (releasing the trigger ends the freeze at the first open sample).

Sampled once a tick (10 ms). A change is accepted when two consecutive samples agree, so bounce of
up to 10 ms is one press. Levels and results are bit masks: nothing is allocated.
"""

from micropython import const

TRIGGER = const(1)
UP = const(2)
DOWN = const(4)
SELECT = const(8)
ARM = const(16)

_COUNT = const(5)
_TICKS_MASK = const(0x3FFFFFFF)  # ticks_ms wraps at 2**30
_HOLD_MS = const(1000)
_LONG_HOLD_MS = const(2000)
_REPEAT_AFTER_MS = const(500)
_REPEAT_EVERY_MS = const(120)
# A key that stays closed for so long is stuck: SELECT and ARM are held for 2 s at most, UP and DOWN
# run through a range of depths in 5 s. TRIGGER: monitors.py. H-04
_STUCK_MS = const(6000)
_STUCK_TURN_MS = const(10000)
_TURN = const(UP | DOWN | TRIGGER)
_CHATTER = const(10)  # presses within a second: no finger does that
_CHATTER_MS = const(1000)


class Buttons:
    """Debounced buttons. Read the masks after `step`; they are valid for that one tick."""

    def __init__(self):
        self.down = 0  # debounced level: a set bit is a pressed button
        self.pressed = 0
        self.released = 0
        self.clicked = 0  # released before _HOLD_MS, and not spent
        self.held = 0  # just reached _HOLD_MS
        self.held_long = 0  # just reached _LONG_HOLD_MS
        self.repeat = 0  # pressed, or due for auto-repeat
        self._last = 0
        self._spent = 0  # pressed on an earlier screen: ignored until released
        self._reached = 0  # _HOLD_MS has been reported
        self._reached_long = 0
        self.stuck = 0  # has been down for longer than any use of it, or chatters
        self._since_ms = [0] * _COUNT
        self._presses = bytearray(_COUNT)  # of each key, since `_window_ms`
        self._window_ms = 0
        self._chatters = 0
        self._next_repeat_ms = [0] * _COUNT

    def step(self, raw, now_ms):
        """Take this tick's raw mask (a set bit = contact closed)."""
        stable = ~(raw ^ self._last)
        self._last = raw
        before = self.down
        down = (before & ~stable) | (raw & stable)
        if not (before | down):
            if self.released or self.clicked:
                self.released = 0
                self.clicked = 0
            if self.stuck:
                self._count_presses(now_ms)
                self.stuck = self._chatters
            return
        self._count_presses(now_ms)
        self.down = down
        self.pressed = down & ~before
        self.released = before & ~down
        self.clicked = self.released & ~self._reached & ~self._spent
        self.repeat = self.pressed
        self.held = 0
        self.held_long = 0
        bit = 1
        for i in range(_COUNT):
            if down & bit:
                if self.pressed & bit:
                    self._presses[i] += 1
                    if self._presses[i] > _CHATTER:
                        self._chatters |= bit
                    self._since_ms[i] = now_ms
                    self._next_repeat_ms[i] = _REPEAT_AFTER_MS
                else:
                    self._holding(i, bit, (now_ms - self._since_ms[i]) & _TICKS_MASK)
            bit <<= 1
        self.stuck = self.stuck & down | self._chatters
        self._reached &= down
        self._reached_long &= down
        self._spent &= down

    def _count_presses(self, now_ms):
        """Begin to count presses again every second."""
        if (now_ms - self._window_ms) & _TICKS_MASK >= _CHATTER_MS:
            self._window_ms = now_ms
            self._chatters = 0
            for i in range(_COUNT):
                self._presses[i] = 0

    def _holding(self, i, bit, held_ms):
        if held_ms >= (_STUCK_TURN_MS if bit & _TURN else _STUCK_MS):
            self.stuck |= bit
        if self._spent & bit:
            return
        if held_ms >= self._next_repeat_ms[i]:
            self.repeat |= bit
            self._next_repeat_ms[i] += _REPEAT_EVERY_MS
        if held_ms >= _HOLD_MS and not self._reached & bit:
            self._reached |= bit
            self.held |= bit
        if held_ms >= _LONG_HOLD_MS and not self._reached_long & bit:
            self._reached_long |= bit
            self.held_long |= bit

    def spend(self):
        """The screen changed: ignore the buttons that are down until they are released.

        H-04: one long press must not act on two screens (DONE to ARMED, for example).
        """
        self._spent = self.down
        self.clicked = 0
        self.held = 0
        self.held_long = 0
        self.repeat = 0
