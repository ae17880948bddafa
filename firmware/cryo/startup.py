"""Start-up, before the first tick. Loaded by app.py and unloaded afterwards.

Works on an App. May import struct and cryo's board, clock, faults, journal, monitors, on_demand,
presenter, redundant_file, schema, texts, valve; loads clock_chip, journal_recovery and
operators_store on demand. Controls: H-11 (a freeze or purge that has no end in the journal is
found and bounded), H-07, H-08 (damaged settings or journal raise a fault), H-18 (the patient's
number is cleared), H-25 (lost operators are a fault), H-20 (a clock chip that has lost its power is
distinguished from none).
"""

import struct

from cryo import (
    VERSION,
    VERSION_NUMBER,
    board as board_module,
    clock,
    faults,
    journal,
    monitors,
    on_demand,
    presenter,
    redundant_file,
    schema,
    texts,
)
from cryo.valve import DEAD_MAN_MS

# Records behind which no freeze and no purge is unfinished
_ENDS = (
    journal.FREEZE_END,
    journal.FREEZE_LOST,
    journal.PRECHILL_END,
    journal.PRECHILL_LOST,
    journal.ARMED,
)


def start(app):
    """Start the board, load settings, tables and journal."""
    board = app.board
    cause = board.reset_cause()
    doing, number = board.left_behind()
    board.leave_behind(board_module.RUNNING, 0)
    board.start_watchdog()
    app.display.start()
    presenter.show(app)
    app.display.step(8)
    board.feed()
    clock_chip = on_demand.load("clock_chip")
    chip = clock_chip.Ds3231(board.i2c)
    utc_s = chip.read()
    if utc_s:
        app.clock.set_utc(utc_s, clock.RTC)
    elif chip.state == clock_chip.CLOCK_STOPPED:
        app.clock.lost()  # H-20
    on_demand.forget("clock_chip")
    app.settings.load()
    board.thermocouple.mains(app.settings.values[schema.MAINS])
    if app.tables.stored.load() == redundant_file.LOST:
        app.faults.latch(faults.TABLES_LOST, False)  # H-06: the shipped tables are active
    board.feed()
    _start_journal(app, cause, doing, number)
    board.feed()
    if (
        app.settings.values[schema.OPERATORS_REQUIRED]
        or app.settings.outcome == redundant_file.LOST
    ):
        with on_demand.loaded("operators_store") as operators_store:
            operators_store.start(app)  # H-25
    app.settings.values[schema.PATIENT_REF] = 0  # H-18: none until the operator chooses one
    texts.use(app.settings.values[schema.LANGUAGE])
    app.display.contrast(app.settings.values[schema.CONTRAST])
    app.sounder.volume(app.settings.values[schema.VOLUME])
    app.link.event({"ev": "boot", "fw": VERSION, "boot": app.journal.boot, "state": "BOOT"})


def _start_journal(app, cause, doing, number):
    log = app.journal
    free = torn_bytes = broken_seq = 0
    unfinished = None
    image = _image()  # before modules are unloaded, which collects what the file took
    try:
        with on_demand.loaded("journal_recovery") as journal_recovery:
            torn_bytes, broken_seq = journal_recovery.recover(log)
        unfinished = _unfinished(log)
        free = log.free_records()
    except OSError:
        app.faults.latch(faults.JOURNAL_FAILED, False)
    if app.settings.outcome == redundant_file.EMPTY and log.head:
        # Records but no settings: this device has run before and has lost its settings. H-07
        app.settings.outcome = redundant_file.LOST
    if app.settings.outcome == redundant_file.LOST:
        # The defaults are not saved before the operator has acknowledged them: H-07
        app.faults.latch(faults.SETTINGS_LOST, False)
    elif app.settings.outcome != redundant_file.LOADED and not app.settings.save():
        app.faults.latch(faults.JOURNAL_FAILED, False)
    if torn_bytes or broken_seq:
        app.faults.latch(faults.JOURNAL_DAMAGED, False)
    if free < journal.ROOM_TO_ARM:
        app.faults.latch(faults.JOURNAL_FULL, True)
    app.record(
        journal.BOOT, cause, VERSION_NUMBER, app.settings.generation,
        app.settings.outcome, free, app.clock.source, image[0], image[1],
    )  # fmt: skip
    if cause == board_module.WATCHDOG_RESET:
        if doing == board_module.CRASHED:
            app.faults.latch(faults.INTERNAL, False)
        elif doing != board_module.NOTHING:
            app.faults.latch(faults.WATCHDOG, False)
    if unfinished:
        monitors.closed(app.clock.now_ms)  # the valve may be stuck open since then. H-05
        known = cause == board_module.WATCHDOG_RESET and (
            doing == board_module.FREEZING
            or doing == board_module.PURGING
            or doing == board_module.CRASHED
        )
        elapsed_ms = number if known else -1
        if unfinished[0] == journal.FREEZE_BEGIN:
            _freeze_lost(app, unfinished[1], cause, elapsed_ms)
        else:
            _purge_lost(app, unfinished, cause, elapsed_ms)
    app.flush()


def _image():
    """What runs here, as the manifest has it in its third line: two numbers of 28 bits.

    The first 56 bits of a SHA-256 that was made with the image. main.py has compared the files'
    names and lengths with the same manifest. (0, 0): there is none, or it is of another form.
    """
    try:
        with open("manifest.json") as file:
            file.readline()
            file.readline()
            line = file.readline()
        return int(line[11:18], 16), int(line[18:25], 16)
    except (OSError, ValueError):
        return 0, 0


def _unfinished(log):
    """(kind, its eight arguments, its number) of a freeze or purge without an end, or None.

    Between the beginning and the end of either, only a start-up writes other records.
    """
    seq = log.head
    oldest = seq - 40
    while seq >= log.first() and seq > oldest:
        record = struct.unpack_from(journal.FORMAT, log.read(seq))
        kind = record[2]
        if kind == journal.FREEZE_BEGIN or kind == journal.PRECHILL_BEGIN:
            return kind, record[6:], seq
        if kind in _ENDS:
            return None
        seq -= 1
    return None


def _bounds_us(elapsed_ms, planned_us):
    """Least and most gate time delivered; `elapsed_ms` as last stored by the loop, or -1.

    After a loss of power nothing is known but the plan, which the dose timer enforces: the scratch
    is gone, and the times of the beginning and of this start say only how long the device was off.
    """
    if elapsed_ms < 0:
        return 0, planned_us
    # The last stored time, one tick, and the time until the dead-man drops the supply.
    most_us = (elapsed_ms + board_module.TICK_MS + DEAD_MAN_MS) * 1000
    # The stored time counts from tick to tick; the gate opens and closes within one.
    least_us = max(elapsed_ms - board_module.TICK_MS, 0) * 1000
    return min(least_us, planned_us), min(most_us, planned_us)


def _purge_lost(app, unfinished, cause, elapsed_ms):
    """Record an interrupted purge with its bounds. No patient was treated: it is no fault. H-08"""
    seq, cycle, planned_us = unfinished[1][:3]
    least_us, most_us = _bounds_us(elapsed_ms, planned_us)
    app.record(
        journal.PRECHILL_LOST, seq, cycle, planned_us, least_us, most_us, cause, unfinished[2]
    )


def _freeze_lost(app, fields, cause, elapsed_ms):
    """Record a freeze interrupted by a reset or a loss of power, and latch its fault. H-11"""
    seq, cycle, dose_ms, planned_us = fields[:4]
    least_us, most_us = _bounds_us(elapsed_ms, planned_us)
    app.record(journal.FREEZE_LOST, seq, cycle, dose_ms, planned_us, least_us, most_us, cause)
    app.faults.latch(faults.FREEZE_LOST, False)
