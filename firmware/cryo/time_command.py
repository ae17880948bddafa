"""The link request `time`: read the clock, or set it from the host.
Loaded on demand by commands.py, then unloaded.

Works on an App. May import cryo's clock, journal, on_demand, replies, transitions; loads
clock_chip on demand. Controls: H-20 (a change of the clock is recorded with the old and the new
time), H-12.
"""

from cryo import clock, journal, on_demand, replies, transitions


def answer(app, request):
    """`time`: the time and its source; with `utc_s`, set the clock first (READY only)."""
    if "utc_s" in request:
        utc_s = request["utc_s"]
        if not replies.is_integer(utc_s):
            return replies.refusal("type", "utc_s must be an integer")
        if not clock.FIRST_S <= utc_s <= clock.LAST_S:
            return replies.out_of(
                clock.FIRST_S, clock.LAST_S, "s", "utc_s must lie in the years 2024 to 2099"
            )
        if app.machine.state != transitions.READY:
            return replies.refusal("state", "the clock is set in READY only")
        _set(app, utc_s)
    return replies.ok(utc_s=app.clock.utc_s(), source=clock.SOURCES[app.clock.source])


def _set(app, utc_s):
    """Set the clock from the host; record the old and the new time. H-20"""
    old = app.clock.utc_s()
    if old == utc_s:
        return
    app.clock.set_utc(utc_s, clock.HOST)
    with on_demand.loaded("clock_chip") as clock_chip:
        clock_chip.Ds3231(app.board.i2c).write(utc_s)
    app.record(journal.TIME_SET, journal.signed(old), journal.signed(utc_s))
