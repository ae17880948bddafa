"""Changes of settings: from the panel active immediately, saved and recorded 2 s later.

Works on an App. May import micropython.const and cryo's faults, journal, on_demand, operators,
profiles, schema, texts, transitions; loads setting_ranges on demand. Controls: H-13 (each change is
recorded with its origin and operator), H-06 (a depth must be within the applicator's table), H-07.
"""

from micropython import const

from cryo import faults, journal, on_demand, operators, profiles, schema, texts, transitions

_SAVE_AFTER_MS = const(2000)

# Origin of a change, as in its record
BY_PANEL = const(1)
BY_HOST = const(2)
BY_CONFIRMED = const(3)
BY_REJECTED = const(4)


unsaved = 0  # bit mask of settings changed on the panel
before = [0] * len(schema.SETTINGS)  # values in flash of the settings changed on the panel
changed_ms = 0


def change(app, index, value):
    """Activate a value chosen on the panel; it is saved and recorded later."""
    global unsaved, changed_ms
    bit = 1 << index
    values = app.settings.values
    if not unsaved & bit:
        unsaved |= bit
        before[index] = values[index]
    values[index] = value
    changed_ms = app.clock.now_ms
    _take_effect(app, index, value)


def due(app):
    """Whether the unsaved changes are old enough to be saved."""
    return unsaved and app.clock.since(changed_ms) > _SAVE_AFTER_MS


def save(app, by=BY_PANEL):
    """Save the changes made on the panel, and record each once."""
    global unsaved
    if not unsaved:
        return
    changed = unsaved
    unsaved = 0
    save_settings(app)
    values = app.settings.values
    for i in range(len(schema.SETTINGS)):
        if changed & (1 << i) and before[i] != values[i]:
            app.record(
                journal.SETTING, schema.SETTINGS[i][schema.NUMBER], before[i], values[i], by,
                operators.session[operators.NUMBER],
            )  # fmt: skip


def save_settings(app):
    """Write all active settings to flash; a failed write is a fault. H-07"""
    app.clock.exclude()
    if not app.settings.save():
        app.faults.latch(faults.JOURNAL_FAILED, False)


def _take_effect(app, index, value):
    """Apply the immediate effects of a new value."""
    if index == schema.LANGUAGE:
        app.clock.exclude()
        texts.use(value)
    elif index == schema.PATIENT_REF:
        app.observation.chosen(app.clock.uptime_ms)
    elif index == schema.VOLUME:
        app.sounder.volume(value)
    elif index == schema.CONTRAST:
        app.display.contrast(value)
    elif index == schema.MAINS:
        app.board.thermocouple.mains(value)


def take_profile(app):
    """Activate depth, margin and cycles of the chosen profile."""
    values = app.settings.values
    for which in range(3):
        index, value = profiles.figure(values, values[schema.PROFILE], which)
        change(app, index, value)


def apply(app, index, value, by):
    """Activate and save a setting. False: the write failed; nothing changed."""
    old = app.settings.values[index]
    save(app)
    app.clock.exclude()
    if not app.settings.store(index, value):
        return False
    number = schema.SETTINGS[index][schema.NUMBER]
    app.record(journal.SETTING, number, old, value, by, operators.session[operators.NUMBER])
    if index == schema.PROFILE:
        take_profile(app)
        save(app, by)
    else:
        _take_effect(app, index, value)
    if app.machine.state == transitions.READY:
        app.display.redraw()
    return True


def out_of_range(app, index, value):
    """(min, max, unit, why) if a value is out of its setting's range, otherwise None. H-06"""
    app.clock.exclude()
    with on_demand.loaded("setting_ranges") as setting_ranges:
        return setting_ranges.out_of_range(app.settings.values, index, value)
