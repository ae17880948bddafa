"""The valve: dose timer and dead-man, both PIO programs. The only module that uses `rp2`.

May import rp2, micropython.const. Controls: H-01 (the end of a freeze does not depend on the
processor; an absolute ceiling of 30 s for every setting), H-03 (the E-stop loop is the timer's
abort pin), H-11 (the dead-man), H-04 (both switches are low from the start).

GATE (state machine 0, 1 MHz). It takes a count N; the gate is high for 2 N + 2 us, and falls within
three cycles (3 us) of the pin's reading an open E-stop loop, independent of the processor. The
state machine then returns what is left of N: X, and the gate was high for 2 (N - X) us. That is N
if it never rose, and -1 (in 30 bits) after a complete count. Proved: docs/proofs.md.

SUPPLY (state machine 1, 100 kHz), a second switch in series. One word raises it; then it stays
high only while the loop tops it up, and falls 60 ms after the last top-up. A late top-up leaves it
low: after a stall of the loop nothing resumes (H-15).
"""

import rp2
from micropython import const

_CEILING_US = const(30000000)  # longest freeze, for any request. H-01
DEAD_MAN_MS = const(60)

_GATE_HZ = const(1000000)
_SUPPLY_HZ = const(100000)
_TOP_UP = const(2000)  # 3 cycles of 10 us each: 60 ms
_RAISE = const(2001)  # the one word that raises SUPPLY; Y holds it for comparison
_OVERHEAD_US = const(2)
_COMPLETE = const(-1)  # `_left` of a count that ran to its end
_FIFO = const(4)  # words; `put` blocks with a full one

# Encoded instructions for `exec`: close the gate early and fetch the remaining count.
_MOV_Y_X = const(0xA041)
_SET_X_0 = const(0xE020)
_IN_Y_30 = const(0x405E)
_PUSH_NOBLOCK = const(0x8000)
_SET_PINS_0 = const(0xE000)
_PULL_BLOCK = const(0x80A0)
_MOV_Y_OSR = const(0xA047)
_REPORT_WAITS = const(20)  # the program reports within 6 us of `set x, 0`


@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def _gate_program():
    wrap_target()
    pull(block)
    mov(x, osr)
    jmp(x_dec, "check")  # taken or not: N - 1
    label("check")
    jmp(pin, "open")
    mov(x, osr)  # with an open E-stop loop, do not begin: N is left
    jmp("report")
    label("open")
    set(pins, 1)
    label("watch")
    jmp(pin, "count")
    label("low")
    set(pins, 0)  # the E-stop loop opened, or the count ended
    label("report")
    in_(x, 30)  # into an ISR of 0; the word is a small integer, so reading it allocates nothing
    push(noblock)
    wrap()
    label("count")
    jmp(x_dec, "watch")
    jmp("low")  # the count ended: X is -1


@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def _supply_program():
    wrap_target()
    label("off")
    set(pins, 0)
    pull(block)
    mov(x, osr)
    jmp(x_not_y, "off")
    set(pins, 1)
    label("alive")
    pull(noblock)  # empty FIFO: takes X, so the count continues
    mov(x, osr)
    jmp(x_dec, "alive")
    wrap()


class Valve:
    """Two switches in series: it is open only with both `open_for` and `hold_supply`."""

    def __init__(self, gate_pin, supply_pin, estop_pin):
        self._gate_pin = gate_pin
        self._supply_pin = supply_pin
        self._gate = rp2.StateMachine(
            0, _gate_program, freq=_GATE_HZ, set_base=gate_pin, jmp_pin=estop_pin
        )
        self._supply = rp2.StateMachine(1, _supply_program, freq=_SUPPLY_HZ, set_base=supply_pin)
        self._supply.put(_RAISE)
        self._supply.exec(_PULL_BLOCK)
        self._supply.exec(_MOV_Y_OSR)
        self._gate.active(1)
        self._supply.active(1)
        self._count = 0  # N of the present opening, or 0
        self._last = 1  # N of the last opening
        self._left = 1  # the part of it that was not counted

    @staticmethod
    def allowed(gate_us):
        """Whether `open_for` accepts this time. H-01"""
        return _OVERHEAD_US < gate_us <= _CEILING_US

    def raise_supply(self):
        """SUPPLY high for 60 ms."""
        if self._supply.tx_fifo() == 0:
            self._supply.put(_RAISE)

    def hold_supply(self):
        """Top up the dead-man, each tick: SUPPLY, if high, stays high for another 60 ms."""
        if self._supply.tx_fifo() == 0:  # `put` would block if the state machine has stopped
            self._supply.put(_TOP_UP)

    def drop_supply(self):
        """SUPPLY low immediately, also when a top-up still waits in the FIFO."""
        if self._supply.tx_fifo() < _FIFO:
            self._supply.put(0)

    def supply_on(self):
        """Level of the SUPPLY pin: 1 or 0."""
        return self._supply_pin.value()

    def is_open(self):
        """Level of the GATE pin: 1 or 0."""
        return self._gate_pin.value()

    def open_for(self, gate_us):
        """Open now for `gate_us` of this board's clock; the end needs no further call.

        Returns False, and does not open, if the time is over the ceiling or a count is running.
        """
        if gate_us <= _OVERHEAD_US or gate_us > _CEILING_US:
            return False
        if self._count or self._gate.tx_fifo() or self._gate_pin.value():
            return False
        while self._gate.rx_fifo():
            self._gate.get()
        self._count = (gate_us - _OVERHEAD_US + 1) >> 1
        self._gate.put(self._count)
        return True

    def ended(self):
        """True when no count is running: `complete` and `delivered_us` then give the last one."""
        gate = self._gate
        while gate.rx_fifo():
            word = gate.get()
            # After `close` there are two words, in either order: the program's own, 0 or over N,
            # and the remainder. A word over N is the -1 of a complete count.
            if self._count:
                self._last = self._count
                self._count = 0
                self._left = _COMPLETE
            if self._left < word <= self._last:
                self._left = word
        return self._count == 0

    def complete(self):
        """Whether the last count ran to its end."""
        return self._left == _COMPLETE

    def delivered_us(self):
        """Gate high time of the last count, in us of this board's clock, after `ended`."""
        return 2 * (self._last - self._left)  # 2 N + 2 after a complete count

    def close(self):
        """Close early, from the processor. The remainder is read up to 50 us before."""
        gate = self._gate
        if self._count:
            # A word that was put just now: `set x, 0` before it is in X would not end its count.
            for _ in range(_REPORT_WAITS):
                if self._gate_pin.value() or gate.rx_fifo():
                    break
        if self._count and not gate.rx_fifo():
            gate.exec(_MOV_Y_X)
            gate.exec(_SET_X_0)  # the program itself now ends its count: gate low within 4 us
            # Wait until the program has pushed its report through ISR, otherwise ours would mix
            # with it. (Observed on a real interpreter: a full dose was recorded.)
            for _ in range(_REPORT_WAITS):
                if gate.rx_fifo():
                    break
            gate.exec(_IN_Y_30)
            gate.exec(_PUSH_NOBLOCK)
        gate.exec(_SET_PINS_0)
        self.drop_supply()
