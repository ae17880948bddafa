"""The device's USB port as a TCP port on this computer, for `cryo --port socket://127.0.0.1:N`.

One host at a time, as with a cable; when the device resets or loses power, the connection is
closed, as a USB port would vanish. Listens on the loopback interface only. May import the standard
library and `engine` of its own package.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from contextlib import suppress

from hw_sim.web.engine import Engine, Runner, Seat

HOST = "127.0.0.1"
SEAT_WAIT_S = 5.0
"""Time that a program waits for another one to leave the port (reading the journal is short)."""

_CHUNK = 4096


class Port:
    """Listens until `close`. `number` is the TCP port, 0 a free one. OSError if it is in use."""

    def __init__(self, runner: Runner, number: int = 0) -> None:
        self._runner = runner
        self._socket = socket.create_server((HOST, number))
        self.number: int = self._socket.getsockname()[1]
        self._client: socket.socket | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name="port", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Argument for `cryo --port`."""
        return f"socket://{HOST}:{self.number}"

    def close(self) -> None:
        """Stop listening, and close the current connection."""
        self._closed = True
        for each in (self._client, self._socket):
            if each is not None:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._thread.join(timeout=5.0)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _address = self._socket.accept()
            except OSError:
                return
            self._client = client
            try:
                self._serve(client)
            finally:
                self._client = None
                client.close()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        seat = Seat("cryo, over TCP", outgoing.put, lambda: outgoing.put(None))
        if not sit(self._runner, seat):
            return
        writer = threading.Thread(
            target=_write, args=(client, outgoing), name="port writer", daemon=True
        )
        writer.start()
        try:
            while data := client.recv(_CHUNK):
                self._runner.post(lambda engine, data=data: send_from(engine, seat, data))
        except OSError:
            pass  # the program or the device has disconnected
        finally:
            self._runner.post(lambda engine: engine.leave_seat(seat))
            outgoing.put(None)
            writer.join(timeout=2.0)


def sit(runner: Runner, seat: Seat) -> bool:
    """Attach to the port, waiting up to `SEAT_WAIT_S` until it is free. False on time-out."""
    until_s = time.monotonic() + SEAT_WAIT_S
    while not runner.ask(lambda engine: engine.take_seat(seat)):
        if time.monotonic() >= until_s:
            return False
        time.sleep(0.05)
    return True


def send_from(engine: Engine, seat: Seat, data: bytes) -> None:
    """Send data of `seat`, unless it is no longer attached."""
    if engine.attached is seat:
        engine.send(data)


def _write(client: socket.socket, outgoing: queue.SimpleQueue[bytes | None]) -> None:
    """Forward the device's data to the program. None: the port has vanished."""
    with suppress(OSError):
        while (data := outgoing.get()) is not None:
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)


class Cable:
    """Transport to the device's port for another thread of this process."""

    def __init__(self, runner: Runner, name: str = "this page") -> None:
        self.url = "panel://"
        self.slice_s = 0.05
        self._runner = runner
        self._incoming: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._seat = Seat(name, self._incoming.put, lambda: self._incoming.put(None))
        if not sit(runner, self._seat):
            raise OSError("the device's port is in use by another program")

    def read_some(self) -> bytes:
        """Received data, waiting at most `slice_s`. ConnectionError: the port has vanished."""
        try:
            data = self._incoming.get(timeout=self.slice_s)
        except queue.Empty:
            return b""
        if data is None:
            raise ConnectionError("the device's port has vanished")
        return data

    def write(self, data: bytes) -> None:
        """Send `data`."""
        self._runner.post(lambda engine: send_from(engine, self._seat, data))

    def close(self) -> None:
        """Release the port."""
        self._runner.post(lambda engine: engine.leave_seat(self._seat))
