"""Boot: enter maintenance if it is requested or a start-up check fails; else start the application.

May import: binascii, gc, machine, micropython, json, os, sys, time, cryo's app and board. Controls:
H-12 (Ctrl-C on the link must not stop a treatment), H-11 (a broken copy of the firmware ends at
MicroPython's prompt with both switches of the valve low, not in a dark device or an endless row of
resets), H-24 (no prompt while the E-stop loop is closed).

Three pins and two scratch registers are read here and not by cryo.board, because importing
cryo.board would be too late: on a truncated .mpy MicroPython can hang. The watchdog ends such a
hang.
"""

import micropython

micropython.kbd_intr(-1)  # H-12: before anything else, so that 0x03 on the link is only a byte

import binascii  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import machine  # noqa: E402
from machine import Pin  # noqa: E402
from micropython import const  # noqa: E402

_ESTOP = const(6)
_UP = const(8)
_DOWN = const(9)
_WATCHDOG_RESET = const(3)
_DOING = const(0x0C)  # offset of scratch 0: what the program was doing (board.py)
_STARTS = const(0x14)  # of scratch 2: number of consecutive failed starts (board.py)
_MARK = const(0x2C520000)
_MAINTENANCE = const(3)
_STARTS_ALLOWED = const(2)
_READ_MS = const(20)
_OPEN_READS = const(5)  # 0.1 s: no bounce
_REPEAT_READS = const(250)  # the request is repeated every 5 s
_LOAD_MS = const(5000)  # watchdog time-out while loading, which takes less than 1 s
_LOAD_GC = const(65536)  # collect every 64 kB while loading, to keep the free heap in one piece
_CLEAR = const(0x3000)  # offset at which writing a bit clears it in the watchdog's CTRL
_WATCHDOG_ENABLE = const(0x40000000)
_CHECK = const(0x3FFFFFFF)
_SOURCE = (
    "cryo/%s is source code: the board has neither time nor memory to compile it. Remove the .py "
    "files from /cryo, then copy what `make image` builds, or run `cryo update`"
)


def board_row():
    """(row of this board in cryo/boards.json, ""), or (None, why the application must not start).

    At the address of the RP2040's watchdog the RP2350 has its USB clock. So nothing is written
    into a register of a board that is not in the table. H-11
    """
    name = os.uname()[4]
    try:
        with open("cryo/boards.json") as file:
            boards = json.load(file)
        if name in boards:
            return boards[name], ""
    except (OSError, ValueError):
        return None, "cryo/boards.json is missing or damaged: copy the firmware again"
    return None, "This firmware does not know the board '%s'; it runs on: %s" % (
        name,
        ", ".join(sorted(boards)),
    )


def incomplete():
    """First mismatch between the files and the manifest, or an empty string. H-11

    One listing of /cryo and one number of the manifest, in its second line, say that all is right;
    the manifest is read as a whole only if not. To look at each file would take 0.5 s.
    """
    crc32 = binascii.crc32
    total = crc32(b"main.py", os.stat("main.py")[6])
    for entry in os.ilistdir("cryo"):
        total += crc32(entry[0].encode(), entry[3])
    try:
        with open("manifest.json") as file:
            file.readline()
            if file.readline() == ' "check": %d,\n' % (total & _CHECK):
                return ""
            file.seek(0)
            listed = json.load(file).get("files", {})
    except OSError:
        return source()  # copied by hand, without a manifest
    except ValueError:
        return "manifest.json is damaged"
    for name in listed:
        try:
            size = os.stat(name)[6]
        except OSError:
            return name + " is missing"
        if size != listed[name]["bytes"]:
            return "%s has %d bytes, not %d" % (name, size, listed[name]["bytes"])
    return source()


def source():
    """A source file in /cryo, which MicroPython prefers to the compiled one, or an empty text."""
    if hasattr(sys.implementation, "_mpy"):  # else this MicroPython takes sources only
        for name in os.listdir("cryo"):
            if name.endswith(".py"):
                return _SOURCE % name
    return ""


def start_blocked_by():
    """Why the application must not start, or an empty string."""
    up = Pin(_UP, Pin.IN, Pin.PULL_UP)
    down = Pin(_DOWN, Pin.IN, Pin.PULL_UP)
    time.sleep_ms(20)  # for the pull-ups to charge the lines, and for bounce to end
    if not up.value() and not down.value():
        return "UP and DOWN are held"
    starts = _MARK
    if machine.reset_cause() == _WATCHDOG_RESET:
        if machine.mem32[watchdog + _DOING] == _MARK | _MAINTENANCE:
            machine.mem32[watchdog + _DOING] = 0
            return "Maintenance was requested over the link"
        if machine.mem32[watchdog + _STARTS] & ~0xFF == _MARK:
            starts = machine.mem32[watchdog + _STARTS]
    if starts >= _MARK + _STARTS_ALLOWED:
        return "It has failed to start"
    machine.mem32[watchdog + _STARTS] = starts + 1
    return incomplete()


def wait_for_estop(why):
    """Give no prompt while the E-stop loop is closed. H-24

    At the prompt a host has the valve's pins. The struck contact breaks the coil's supply outside
    the microcontroller, so that nothing flows, whatever is typed. If the loop is closed again
    later, nothing here can notice it: the text says to keep it struck.
    """
    loop = Pin(_ESTOP, Pin.IN, Pin.PULL_DOWN if row and row["pull_down"] else None)
    text = "Cryodose maintenance: the application is not running. Reset to start it.\n%s." % why
    opened = 0
    waits = 0
    while opened < _OPEN_READS:
        time.sleep_ms(_READ_MS)
        opened = 0 if loop.value() else opened + 1
        if not opened:
            if waits % _REPEAT_READS == 0:
                print(text)
                print("Strike the E-stop, and keep it struck: then MicroPython's prompt follows.")
            waits += 1
    print(text)
    print("Keep the E-stop struck: at this prompt nothing else keeps the valve closed.")


row, why = board_row()
watchdog = int(row["watchdog"], 16) if row else 0
why = why or start_blocked_by()
if why:
    # No cryo module is imported and the valve is not set up: both switches stay low.
    if watchdog:
        machine.mem32[watchdog + _STARTS] = 0
    wait_for_estop(why)
    micropython.kbd_intr(3)
else:
    machine.WDT(timeout=_LOAD_MS)
    gc.threshold(_LOAD_GC)
    try:
        from cryo.app import App
        from cryo.board import Board

        app = App(Board(row))
        row = None  # free its memory
    except Exception:
        # Stop the watchdog and end at MicroPython's prompt with the traceback.
        machine.mem32[watchdog + _CLEAR] = _WATCHDOG_ENABLE
        machine.mem32[watchdog + _STARTS] = 0
        wait_for_estop("It cannot be started; the reason follows with the prompt")
        micropython.kbd_intr(3)
        raise
    gc.threshold(-1)  # from now on collect only when an allocation fails
    app.run()
