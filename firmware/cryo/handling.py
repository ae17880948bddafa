"""What the operator's buttons do in each state but FREEZING.

Works on an App. May import micropython.const and cryo's state_screening, buttons, commands, dose,
faults, state_freezing, interlocks, journal, observation, state_prechill, profiles, schema,
screens, sounder, transitions, presenter, texts; loads menu by its name. Controls: H-04 (only ARM
held, then TRIGGER), H-06 and H-10 (arming is refused with the reading and what it must be), H-13
(a change that matters is confirmed here), H-15 (a fault is cleared by a person), H-17 (self-test).
"""

from micropython import const

from cryo import (
    buttons,
    commands,
    dose,
    faults,
    interlocks,
    journal,
    observation,
    presenter,
    profiles,
    schema,
    screens,
    sounder,
    state_freezing,
    state_prechill,
    state_screening,
    texts,
    transitions,
)

_TICKS_MASK = const(0x3FFFFFFF)
_SELF_TEST_MS = const(1500)  # a sensor that has not answered by then is broken
_PEDAL_MS = const(1500)
_SETTLED_MS = const(300)  # three samples of each sensor


def self_test(app, now_ms, keys):
    """H-17: every sensor must answer, no button may be down, no coil current may flow.

    What the start found is held back until here, so that no fault skips the test.
    """
    sensors = app.sensors
    waited_ms = app.state_ms()
    fault = interlocks.broken(sensors)
    if fault and waited_ms < _SELF_TEST_MS:
        return
    if not fault and waited_ms < _SETTLED_MS:
        return
    if not fault:
        fault = interlocks.closed_but(sensors, app.closed_for_ms)
    if fault:
        app.faults.latch(fault, True)
    if keys.down:
        app.faults.latch(faults.BUTTON_STUCK, False)  # H-04
    if app.panel.failed:
        app.faults.latch(faults.SCREEN, True)
    if app.valve.is_open() or app.valve.supply_on():
        app.faults.latch(faults.DOSE_TIMER, True)
    if app.faults.latched:
        app.report_faults(now_ms)
    else:
        app.event(transitions.PASSED)


def ready(app, now_ms, keys):
    """READY: choose, arm, or answer what the host asks for."""
    if app.settings.pending >= 0:
        _confirming(app, now_ms, keys)
        return
    if app.tables.pending is not None:
        _confirming_table(app, now_ms, keys)
        return
    if state_prechill.refusal(app, now_ms, keys):
        return
    if app.observation.over:
        leave_menu(app)
    if observation.reminding(app, keys):
        return
    if app.menu:
        if app.menu.step(app, now_ms, keys):
            app.menu = False
            app.sounder.play(sounder.CLICK, now_ms)
            keys.spend()  # H-04: ARM led back; to arm, it is held anew
            presenter.show_state(app)
        return
    view = app.panel.view
    if keys.repeat & (buttons.UP | buttons.DOWN):
        _turn(app, now_ms, 1 if keys.repeat & buttons.UP else -1)
    elif keys.clicked & buttons.SELECT:
        view.field = view.field + 1 if view.field < screens.FIELD_PATIENT else screens.FIELD_DEPTH
        app.sounder.play(sounder.CLICK, now_ms)
        presenter.show_state(app)
    elif keys.held & buttons.ARM:
        _arm(app, now_ms)
    elif keys.held & buttons.SELECT:
        app.flash_used = True  # the length of this tick says nothing
        app.menu = commands.borrow("menu").Menu(app, now_ms)
        app.sounder.play(sounder.CLICK, now_ms)
        keys.spend()
        presenter.show_state(app)
    elif keys.down == 0:
        if not app.panel.canvas.dirty:  # first READY is seen, then there is time
            leave_menu(app)
        presenter.refresh_ready(app)


def leave_menu(app):
    """Whatever comes, it comes before the menu. Drops its room, too."""
    if app.menu is not None:
        app.menu = None
        app.flash_used = True
        commands.give_back("menu")


def _turn(app, now_ms, step):
    """UP or DOWN: the next value of the selected field; at the end of the range, a refusal."""
    values = app.settings.values
    field = app.panel.view.field
    if field == screens.FIELD_DEPTH:
        index = schema.DEPTH_UM
        value = values[index] + step * schema.DEPTH_STEP_UM
        low = profiles.low_step_um(values)
        high = profiles.high_step_um(values)
        # A depth that the last applicator allowed may lie outside this one's curve: the
        # first press brings it to the nearer end, which the screen shows. H-06
        if values[index] < low and step > 0:
            value = low
        elif values[index] > high and step < 0:
            value = high
    else:
        index = (
            schema.APPLICATOR if field == screens.FIELD_APPLICATOR
            else schema.PROFILE if field == screens.FIELD_PROFILE
            else schema.CYCLES if field == screens.FIELD_CYCLES
            else schema.PATIENT_REF
        )  # fmt: skip
        value = values[index] + step
        if index == schema.PATIENT_REF and not values[index] and step > 0:
            value = values[schema.PATIENT_LAST] + 1  # the next free number. H-18
        low = schema.SETTINGS[index][3]
        high = schema.SETTINGS[index][4]
    if value < low or value > high:
        app.sounder.play(sounder.REFUSED, now_ms)
        return
    app.change(index, value, now_ms)
    if index == schema.PROFILE:
        app.take_profile(now_ms)
    app.sounder.play(sounder.CLICK, now_ms)
    presenter.show_state(app)


def _confirming(app, now_ms, keys):
    if keys.held & buttons.SELECT:
        settle(app, now_ms, "confirmed")
    elif keys.pressed & ~buttons.SELECT:
        settle(app, now_ms, "rejected")
    elif (now_ms - app.pending_ms) & _TICKS_MASK > app.CONFIRM_S * 1000:
        settle(app, now_ms, "timed_out")


def _confirming_table(app, now_ms, keys):
    why = commands.borrow("calibration_commands").confirming(app, now_ms, keys)
    if why:
        commands.give_back("calibration_commands")
        app.sounder.play(sounder.CLICK if why == "confirmed" else sounder.REFUSED, now_ms)
        app.buttons.spend()
        presenter.show_state(app)


def settle(app, now_ms, why):
    """The operator's word (or silence) on a change that the host asked for. H-13"""
    index = app.settings.pending
    value = app.settings.pending_value
    app.settings.pending = -1
    # Checked again: the applicator may be another one by now.
    if why == "confirmed" and commands.out_of_range(app, index, value):
        why = "range"
    if why == "confirmed" and not app.apply_setting(index, value, app.BY_CONFIRMED):
        why = "storage"
    confirmed = why == "confirmed"
    if not confirmed:
        app.record(
            journal.SETTING,
            schema.SETTINGS[index][0],
            app.settings.values[index],
            value,
            app.BY_REJECTED,
        )
    app.link.event(
        {"ev": "setting", "key": schema.SETTINGS[index][1], "value": value,
         "applied": confirmed, "why": why}
    )  # fmt: skip
    app.sounder.play(sounder.CLICK if confirmed else sounder.REFUSED, now_ms)
    app.buttons.spend()
    presenter.show_state(app)


def _arm(app, now_ms):
    """ARM was held: fix the plan and go on towards ARMED, or say what forbids it."""
    values = app.settings.values
    app.save_panel_changes()
    planned_ms = profiles.dose_ms(values)
    if planned_ms < 0:
        _refuse_depth(app, now_ms, values)
        return
    # In the depth-controlled mode the hardware timer is set to the upper bound. H-01
    by_depth = values[schema.DEPTH_MODE]
    most_ms = dose.most_ms(planned_ms) if by_depth else planned_ms
    planned_us = _gate_us(most_ms, values)
    if not app.valve.allowed(planned_us):
        state_prechill.refuse(
            app, now_ms, texts.say(texts.NO_DOSE), texts.say(texts.OVER_30_S),
            texts.say(texts.WITH_LAGS),
        )  # fmt: skip
        return
    app.dose_ms = planned_ms
    app.planned_us = planned_us
    app.most_ms = most_ms
    app.least_ms = (_gate_us(dose.least_ms(planned_ms), values) + 999) // 1000
    app.target_um = profiles.plan_um(values) if by_depth else 0
    app.table_version = dose.version_of(values[schema.APPLICATOR])
    app.cycles = values[schema.CYCLES]
    app.cycle = 1
    app.treatment_seq = 0
    app.tally.reset()
    app.panel.view.planned_ms = planned_ms
    if not state_prechill.permitted(app, now_ms):
        return
    if state_screening.due(app):
        state_screening.begin(app)
    else:
        state_prechill.go_on(app, now_ms, transitions.ARM_HELD)


def _gate_us(time_ms, values):
    return dose.gate_us(
        time_ms,
        values[schema.OPEN_LAG_US],
        values[schema.CLOSE_LAG_US],
        values[schema.TRIM_PPM],
    )


def _refuse_depth(app, now_ms, values):
    """The depth is out of this applicator's reach: say which one reaches it, or the range. H-06"""
    other = dose.reaching(profiles.plan_um(values), values[schema.TARGET])
    if other > 0:
        state_prechill.refuse(
            app, now_ms, texts.say(texts.NO_DOSE), texts.say(texts.APPLICATOR_REACHES),
            texts.applicator(other),
        )  # fmt: skip
    else:
        state_prechill.refuse(
            app, now_ms, texts.say(texts.NO_DOSE), texts.say(texts.DEPTH_MUST_BE),
            app.panel.view.range_text,
        )  # fmt: skip


def armed(app, now_ms, keys):
    """ARMED: TRIGGER freezes; ARM, or waiting too long, goes back."""
    timeout_s = app.settings.values[schema.ARM_TIMEOUT_S]
    if keys.pressed & buttons.ARM:
        state_prechill.disarm(app, transitions.ARM_PRESSED, journal.DISARM_BUTTON)
    elif state_prechill.must_purge(app):
        # Armed for so long that the line has warmed: a trigger now would give gas. H-02
        app.event(transitions.MUST_CHILL)
        app.sounder.play(sounder.REFUSED, now_ms)
    elif keys.pressed & buttons.TRIGGER:
        if _too_soon(app):
            app.sounder.play(sounder.REFUSED, now_ms)
        else:
            state_freezing.begin(app, now_ms)
    elif app.state_ms() >= timeout_s * 1000:
        state_prechill.disarm(app, transitions.TIMED_OUT, journal.DISARM_TIME)
    else:
        view = app.panel.view
        view.timeout_s = timeout_s - app.state_ms() // 1000
        app.panel.update()


def _too_soon(app):
    """A pedal pressed just as the purge ended by itself was meant to end the purge. H-22"""
    return (
        app.settings.values[schema.TRIGGER_MODE] == schema.PRESS
        and app.treatment.was == transitions.PRECHILL
        and app.state_ms() < _PEDAL_MS
    )


def fault(app, now_ms, keys):
    """FAULT: each fault by its own rule, and only when its cause is gone."""
    found = app.faults
    gone = 0
    if keys.held_long & buttons.SELECT:
        gone = found.clear(faults.ESTOP_RULE)
    elif keys.clicked & buttons.SELECT:
        if found.present & (1 << (faults.JOURNAL_FULL - 1)):
            found.set_present(faults.JOURNAL_FULL, app.free_records() < journal.ROOM_TO_ARM)
        gone = found.clear(faults.ACK)
        if not gone:
            app.sounder.play(sounder.REFUSED, now_ms)
    if gone & (1 << (faults.SETTINGS_LOST - 1)):
        app.flash_used = True
        if not app.settings.save():
            found.latch(faults.JOURNAL_FAILED, False)
    if gone:
        for row in faults.FAULTS:
            if gone & (1 << (row[0] - 1)):
                app.record(journal.FAULT_CLEARED, row[0])
                app.link.event({"ev": "fault", "fault": row[0], "name": row[1], "active": False})
        if not found.latched:
            app.summary = False
            app.event(transitions.CLEARED)
            return
        app.sound_alarm(now_ms)
        presenter.show_state(app)
    elif app.state_ms() // 2000 != app.second:
        # The words of the fault, and what of the freeze was delivered, take turns.
        app.second = app.state_ms() // 2000
        if app.summary:
            presenter.show_state(app)
