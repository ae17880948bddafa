"""The host's end of the USB serial port.

May import the standard library, `rp2040py` and `hw_sim.world`. Works around two things in rp2040py
0.3.6:

- Every OUT endpoint that the device arms is answered at once with an empty packet, so that the
  device takes an interrupt all the time and never sleeps. Here a read is completed only when
  there is something to send.
- Its own FIFO to the device holds 512 bytes and drops the rest. Here the host keeps what the
  device has not taken: back-pressure, as on a real port.
"""

from __future__ import annotations

from typing import Any

from rp2040py.usb.cdc import USBCDC

from hw_sim.world.bus_traffic import UsbPacket
from hw_sim.world.wiring import Wiring

_BUFFER_CONTROL = 0x80  # of endpoint 0 IN, in the USB controller's memory
_AVAILABLE = 0x04  # in its second byte


class UsbHost:
    """One port. Bytes written wait for the device; bytes received wait to be read.

    `attached` becomes True when the device has been enumerated (about 15 ms after power-on).
    """

    def __init__(self, controller: Any) -> None:
        self._usb = controller
        self._cdc: Any = USBCDC(controller)
        self._cdc.on_serial_data = self._received
        self._cdc.on_device_connected = self._connected
        self.attached = False
        self._reading = True
        self._wiring: Wiring | None = None
        self._to_device = bytearray()
        self._from_device = bytearray()
        self._armed: int | None = None  # size of the read that the device waits for
        self._withheld: list[tuple[int, bool]] = []
        self._upstream_read = controller.on_endpoint_read
        self._upstream_reset = controller.on_reset
        self._upstream_ready = controller._indicate_buffer_ready
        controller.on_endpoint_read = self._endpoint_read
        controller.on_reset = self._reset
        controller._indicate_buffer_ready = self._buffer_ready

    def connect(self, wiring: Wiring) -> None:
        """Tell its taps of each packet."""
        self._wiring = wiring

    def _passed(self, to_host: bool, data: bytes | bytearray) -> None:
        wiring = self._wiring
        if wiring is not None and wiring.bus_taps:
            wiring.passed(UsbPacket(wiring.clock.now_ns, to_host, bytes(data)))

    # -- for the bench ------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; those that the device does not take yet wait here."""
        self._to_device += data
        self._feed()

    @property
    def unsent(self) -> int:
        """Bytes that the device has not taken."""
        return len(self._to_device)

    def read(self) -> bytes:
        """All bytes received since the last call."""
        data = bytes(self._from_device)
        self._from_device.clear()
        return data

    @property
    def reading(self) -> bool:
        """Whether the host takes what the device sends. If not, the device's FIFO fills."""
        return self._reading

    @reading.setter
    def reading(self, reading: bool) -> None:
        self._reading = reading
        if reading:
            withheld, self._withheld = self._withheld, []
            for endpoint, out in withheld:
                self._mark(endpoint, pending=False)
                self._upstream_ready(endpoint, out)

    def open_port(self, is_open: bool) -> None:
        """Raise or drop DTR and RTS, as a program does that opens or closes the port."""
        self._cdc.set_control_lines(dtr=is_open, rts=is_open)

    # -- from the controller ------------------------------------------------------------------

    def _connected(self) -> None:
        self.attached = True

    def _received(self, data: bytes | bytearray) -> None:
        self._passed(True, data)
        self._from_device += data

    def _endpoint_read(self, endpoint: int, size: int) -> None:
        if endpoint != self._cdc._out_endpoint:
            self._upstream_read(endpoint, size)
            return
        self._armed = size
        self._feed()

    def _feed(self) -> None:
        size = self._armed
        if size is None or not self._to_device:
            return
        self._armed = None
        packet = bytes(self._to_device[:size])
        del self._to_device[:size]
        self._passed(False, packet)
        self._usb.endpoint_read_done(self._cdc._out_endpoint, packet)

    def _buffer_ready(self, endpoint: int, out: bool) -> None:
        if not self._reading and not out and endpoint == self._cdc._in_endpoint:
            self._withheld.append((endpoint, out))
            self._mark(endpoint, pending=True)
            return
        self._upstream_ready(endpoint, out)

    def _mark(self, endpoint: int, pending: bool) -> None:
        """Buffer control of an IN endpoint: whether its buffer waits for the host.

        rp2040py takes every packet at once; on the chip the bit stays until the host has polled.
        """
        at = _BUFFER_CONTROL + 8 * endpoint + 1
        dpram = self._usb.rp2040.usb_dpram
        dpram[at] = dpram[at] | _AVAILABLE if pending else dpram[at] & ~_AVAILABLE

    def _reset(self) -> None:
        """The device has dropped off the bus; what was under way is lost."""
        self.attached = False
        self._armed = None
        self._withheld.clear()
        self._to_device.clear()
        self._upstream_reset()
