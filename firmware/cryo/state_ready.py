"""READY: choose a field and its value, open the menu, arm.

Works on an App. May import gc, micropython.const and cryo's arming, buttons, confirm, on_demand,
operators, profiles, refusal, schema, setting_changes, sounder, view; loads menu and
operators_sign_in and doctor on demand. Controls: H-04 (only ARM held arms; what a stuck key has
changed is undone), H-06 (a value beyond its range is refused with a sound), H-18 (the next free
number of a patient), H-29 (whatever closes the board check ends its test of a switch).

Overlays take the buttons first, in this order: a sign-in, a change to be confirmed, a refusal, the
end of an observation, the menu.
"""

import gc

from micropython import const

from cryo import (
    arming,
    buttons,
    confirm,
    on_demand,
    operators,
    profiles,
    refusal,
    schema,
    setting_changes,
    sounder,
    view,
)

_CHECK = "doctor"
_BURST_MS = const(1000)  # presses that follow each other so closely are one change

# Variables of this state; the presenter reads them
field = view.FIELD_DEPTH  # the chosen field, retained between treatments
menu = None  # the open menu or sign-in
undo_index = -1  # the setting that the present press of UP or DOWN has changed, or -1
undo_value = 0  # and its value before
menu_loaded = ""  # its module; unloaded after the screen has changed
tidy = False  # the heap has been collected since READY was entered


def enter(app, event):
    """Keep the chosen field; collect the heap again later."""
    global tidy
    tidy = False
    app.clock.exclude()
    arming.release()


def step(app, now_ms):
    """One tick: handle an overlay, or choose, arm or open the menu."""
    global field
    keys = app.buttons
    if operators.session[operators.ASKED]:  # also by a change that waits for a role
        if menu:
            _in_menu(app, now_ms, keys)
        else:
            _open(app, now_ms, "operators_sign_in")
        return 0
    if confirm.waiting():
        _close_menu(app)
    if confirm.step(app, now_ms, keys):
        if confirm.overlay:
            _open(app, now_ms, confirm.take_overlay())
        return 0
    if refusal.shown(app, keys):
        return 0
    if app.observation.over:
        _close_menu(app)
    if app.observation.reminding(app, keys):
        return 0
    if menu:
        _in_menu(app, now_ms, keys)
        return 0
    if keys.repeat & (buttons.UP | buttons.DOWN):
        _turn(app, now_ms, 1 if keys.repeat & buttons.UP else -1)
    elif keys.clicked & buttons.SELECT:
        field = field + 1 if field < view.FIELD_PATIENT else view.FIELD_DEPTH
        app.sounder.play(sounder.CLICK, now_ms)
        app.display.redraw()
    elif keys.held & buttons.ARM:
        return arming.arm(app)
    elif keys.held & buttons.SELECT:
        _open(app, now_ms, "menu")
        app.sounder.play(sounder.CLICK, now_ms)
    elif keys.down == 0:
        if not app.display.canvas.dirty:  # only after READY has been drawn
            _close_menu(app)
            _collect(app)
        app.display.refresh()
    return 0


def leave(app, event):
    """Close the menu, reject a pending change, undo what a stuck key has changed."""
    _close_menu(app)
    operators.session[operators.ASKED] = 0
    if undo_index >= 0 and app.buttons.stuck & (buttons.UP | buttons.DOWN):
        _change(app, undo_index, undo_value)  # H-04
    confirm.reject(app, app.clock.now_ms)


def _open(app, now_ms, name):
    """Open the menu or the sign-in."""
    global menu, menu_loaded
    _close_menu(app)
    app.clock.exclude()
    menu = on_demand.load(name).Overlay(app, now_ms)
    menu_loaded = name
    app.buttons.spend()
    app.display.redraw()


def _close_menu(app):
    """Close the menu (anything else pre-empts it) and unload its module."""
    global menu, menu_loaded
    if menu_loaded:
        if menu:
            if menu_loaded == _CHECK:
                menu.close(app)  # H-29
            menu = None
            app.display.redraw()
        app.clock.exclude()
        on_demand.unload(menu_loaded)
        menu_loaded = ""


def _collect(app):
    """Collect the heap once, while READY is idle; delete what is released if room is short."""
    global tidy
    if not tidy or app.journal.expendable():
        tidy = True
        app.clock.exclude()
        gc.collect()
        app.make_room()


def _in_menu(app, now_ms, keys):
    global menu
    if menu.step(app, now_ms, keys):
        menu = None
        app.sounder.play(sounder.CLICK, now_ms)
        keys.spend()  # H-04: this ARM press closed the menu; to arm, ARM must be held again
        app.display.redraw()


def _change(app, index, value):
    setting_changes.change(app, index, value)
    if index == schema.PROFILE:
        setting_changes.take_profile(app)


def _turn(app, now_ms, by):
    """UP or DOWN: the next value of the selected field; at the end of the range, a refusal."""
    global undo_index, undo_value
    values = app.settings.values
    if field == view.FIELD_DEPTH:
        index = schema.DEPTH_UM
        value = values[index] + by * schema.DEPTH_STEP_UM
        low = profiles.low_step_um(values)
        high = profiles.high_step_um(values)
        # A depth set for another applicator may be outside this one's curve: the first press
        # moves it to the nearer end, which the screen shows. H-06
        if values[index] < low and by > 0:
            value = low
        elif values[index] > high and by < 0:
            value = high
    else:
        index = (
            schema.APPLICATOR if field == view.FIELD_APPLICATOR
            else schema.PROFILE if field == view.FIELD_PROFILE
            else schema.CYCLES if field == view.FIELD_CYCLES
            else schema.PATIENT_REF
        )  # fmt: skip
        value = values[index] + by
        if index == schema.PATIENT_REF and not values[index] and by > 0:
            value = values[schema.PATIENT_LAST] + 1  # the next free number. H-18
        low = schema.SETTINGS[index][schema.MIN]
        high = schema.SETTINGS[index][schema.MAX]
    if value < low or value > high:
        app.sounder.play(sounder.REFUSED, now_ms)
        return
    pressed = app.buttons.pressed & (buttons.UP | buttons.DOWN)
    if pressed and (index != undo_index or app.clock.since(setting_changes.changed_ms) > _BURST_MS):
        undo_index = index
        undo_value = values[index]
    _change(app, index, value)
    app.sounder.play(sounder.CLICK, now_ms)
    app.display.redraw()
