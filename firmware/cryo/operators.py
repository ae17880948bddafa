"""Operators: who is signed in, who may do what, and when a sign-in is forgotten.

Works on an App. May import micropython.const and cryo's on_demand, schema, transitions; loads
operators_store on demand. Controls: H-25 (an override, a change of a limit or a treatment by
somebody who may not).

This is all that stays in memory. The stored operators and the check of a PIN are in
operators_store.py, the sign-in screen in operators_sign_in.py, the requests of the link in
operators_commands.py; each is loaded while it is used.
"""

from micropython import const

from cryo import on_demand, schema, transitions

# Roles, as stored and recorded; 0 = nobody is signed in
PHYSICIAN = const(1)
NURSE = const(2)
TECHNICIAN = const(3)

# Who may: a bit for each role
NOBODY = const(32)  # the sign-in has been forgotten
PHYSICIANS = const(2)  # override a caution
SETS = const(10)  # physicians and technicians confirm limits and tables
ANYONE = const(14)  # treats
ANYBODY = const(15)  # signed in or not
MANAGES = const(34)  # physicians, also where operators are not required: change the operators

# Items of `session`
NUMBER = const(0)  # of the operator who is signed in; 0 = nobody
ROLE = const(1)
ASKED = const(2)  # who is to sign in, or a change as operators_commands.py packs it; 0 = nobody
_SEEN_MS = const(3)  # when a button was last down
WRONG_MS = const(4)  # uptime of the last wrong PIN; power-on counts as one

session = [0, 0, 0, 0, 0]


def watch(app):
    """Ten times a second, with the valve closed: forget who has pressed nothing for long. H-25"""
    state = app.machine.state
    if app.buttons.down:
        session[_SEEN_MS] = app.clock.now_ms
    elif session[NUMBER] and (state == transitions.READY or state >= transitions.DONE):
        # never within a treatment
        idle_ms = app.clock.since(session[_SEEN_MS])
        if idle_ms > app.settings.values[schema.OPERATOR_IDLE_S] * 1000:
            lacks(app, NOBODY)


def lacks(app, wanted):
    """Whether nobody is signed in who may: then ask for a sign-in, or refuse. H-25"""
    if wanted & 1 << session[ROLE]:
        return False
    if wanted < NOBODY and not app.settings.values[schema.OPERATORS_REQUIRED]:
        return False
    app.clock.exclude()
    with on_demand.loaded("operators_store") as operators_store:
        operators_store.refuse(app, wanted)
    return True
