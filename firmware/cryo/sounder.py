"""The sounder and the three LEDs.

May import micropython.const. Controls: H-09 (end of freeze and faults have a sound), H-14 (sound
and light show the state without the display).

A tune is a tuple of (frequency Hz, ms), 0 Hz = silence; it repeats after `every_ms` unless that is
0. Alarms, by sound and by light, follow IEC 60601-1-8: high priority 10 pulses and red flashing at
1.4...2.8 Hz, medium 3 pulses and yellow at 0.4...0.8 Hz, low 2 pulses, once, and yellow. Other
signals differ from alarms: their tones rise or fall, and green is lit. Nothing here allocates after
start.
"""

from micropython import const

_TICKS_MASK = const(0x3FFFFFFF)

CLICK = ((2400, 15),)
REFUSED = ((400, 120), (0, 60), (400, 120))
ARMED = ((1200, 80), (0, 40), (1600, 80))
COLD = ((1600, 80), (0, 40), (2000, 80))
START = ((2000, 200),)
PURGE = ((700, 120), (0, 60), (900, 120))
COUNT = ((1600, 30),)
OBSERVED = ((1319, 150), (0, 100), (1568, 150), (0, 100), (1319, 150), (0, 100), (1568, 150))
COMPLETE = ((1047, 150), (1319, 150), (1568, 350))
ENDED_EARLY = ((1568, 150), (1047, 350))
_PULSE = (960, 150)
_GAP = (0, 100)
_PAUSE = (0, 400)
ALARM_HIGH = (
    _PULSE, _GAP, _PULSE, _GAP, _PULSE, _PAUSE, _PULSE, _GAP, _PULSE, _PAUSE,
    _PULSE, _GAP, _PULSE, _GAP, _PULSE, _PAUSE, _PULSE, _GAP, _PULSE,
)  # fmt: skip
ALARM_MEDIUM = ((640, 200), (0, 200), (640, 200), (0, 200), (640, 200))
DOUBT = ((1976, 90), (0, 40), (1480, 90), (0, 40), (1109, 200))
ALARM_LOW = ((480, 200), (0, 200), (480, 200))
REMIND_EVERY_MS = const(60000)  # until the operator has acknowledged
DOUBT_EVERY_MS = const(3000)

# by priority, low first: tune, repetition in ms
ALARMS = ((ALARM_LOW, 0), (ALARM_MEDIUM, 20000), (ALARM_HIGH, 10000))

# green, yellow, red, half period of blinking in ms: for `Lights.show`
DARK = (0, 0, 0, 0)
READY_LIGHTS = (1, 0, 0, 0)  # yellow beside green, steady or blinking: nitrogen flows
PRECHILL_LIGHTS = (1, 0, 0, 1000)
ARMED_LIGHTS = (1, 0, 0, 250)  # with yellow: a freeze whose depth is in doubt
ALARM_LIGHTS = ((0, 1, 0, 0), (0, 1, 0, 1000), (0, 0, 1, 250))  # by priority, low first

_DUTY = (0, 800, 4000, 32768)  # 16-bit duty by volume 1...3


class Sounder:
    """Plays one tune at a time on a PWM pin."""

    def __init__(self, pwm):
        self._pwm = pwm
        self._tune = None
        self._at = 0
        self._until_ms = 0
        self._every_ms = 0
        self._since_ms = 0
        self._volume = 2

    def volume(self, step):
        """Loudness 1...3."""
        self._volume = step

    def play(self, tune, now_ms, every_ms=0):
        """Start a tune; it replaces the one that plays."""
        self._tune = tune
        self._every_ms = every_ms
        self._since_ms = now_ms
        self._note(0, now_ms)

    def stop(self):
        """Silence."""
        self._tune = None
        self._pwm.duty_u16(0)

    def _note(self, at, now_ms):
        hz, ms = self._tune[at]
        self._at = at
        self._until_ms = (now_ms + ms) & _TICKS_MASK
        if hz:
            self._pwm.freq(hz)
            self._pwm.duty_u16(_DUTY[self._volume])
        else:
            self._pwm.duty_u16(0)

    def step(self, now_ms):
        """One tick."""
        tune = self._tune
        if tune is None:
            return
        if self._at < len(tune):
            # Due when now - until, taken modulo 2**30, is not negative.
            if (now_ms - self._until_ms) & _TICKS_MASK >= 0x20000000:
                return
            if self._at + 1 < len(tune):
                self._note(self._at + 1, now_ms)
                return
            self._at = len(tune)
            self._pwm.duty_u16(0)
            if not self._every_ms:
                self._tune = None
        elif (now_ms - self._since_ms) & _TICKS_MASK >= self._every_ms:
            self._since_ms = now_ms
            self._note(0, now_ms)


class Lights:
    """The LEDs. Green: ready (steady), purge due (slow) or armed (fast); yellow beside it: nitrogen
    flows. Else a fault."""

    def __init__(self, green, yellow, red):
        self._green = green
        self._yellow = yellow
        self._red = red
        self._blinks = None  # the LED that blinks, or None
        self._flows = 0
        self._steady = 0  # yellow by the pattern
        self._half_ms = 0
        self._level = 1

    def show(self, lights):
        """Show one of the patterns above. A blinking LED is the only one lit."""
        green, yellow, red, half_ms = lights
        self._green.value(green)
        self._steady = yellow
        self._yellow.value(yellow | self._flows)
        self._red.value(red)
        self._half_ms = half_ms
        self._level = 1
        self._blinks = None
        if half_ms:
            self._blinks = self._red if red else self._yellow if yellow else self._green

    def step(self, in_state_ms):
        """Blink: `in_state_ms` since the state began."""
        if self._blinks is not None:
            level = 1 - in_state_ms // self._half_ms % 2
            if level != self._level:
                self._level = level
                if self._blinks is self._yellow:
                    level |= self._flows
                self._blinks.value(level)

    def flow(self, flows):
        """Yellow is lit while nitrogen flows or may flow, whatever the state."""
        if flows != self._flows:
            self._flows = flows
            self._yellow.value(flows | self._steady)
