"""LEDs and the sounder: they remember their last level. Imports nothing."""

from __future__ import annotations


class Led:
    """`brightness` 0…1; `on` when it is above 0."""

    def __init__(self, colour: str) -> None:
        self.colour = colour
        self.brightness = 0.0

    @property
    def on(self) -> bool:
        return self.brightness > 0.0


class Buzzer:
    """A passive sounder: silent unless it is driven with a frequency and a duty above 0."""

    def __init__(self) -> None:
        self.freq_hz = 0
        self.duty_u16 = 0

    @property
    def sounding_hz(self) -> int:
        """The tone that is heard, 0 = silence."""
        return self.freq_hz if 0 < self.duty_u16 < 65535 else 0
