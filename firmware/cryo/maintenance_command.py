"""The request `maintenance`: the operator holds SELECT, then the application ends.

Loaded on demand, then unloaded. Works on an App. May import cryo's confirm, replies, texts.
Controls: H-24 (a host alone ends nothing: somebody at the device must confirm it; main.py then
gives no prompt before the E-stop is struck), H-25 (where operators are required, a physician or a
technician).
"""

from cryo import confirm, replies, texts

_MODULE = "maintenance_command"
_QUESTION = 21  # in the languages' prompts

SETTLES = 4  # what is settled here, as a REFUSED record has it


def ask(app, request):
    """Ask the operator; the application ends when SELECT has been held."""
    if confirm.waiting() and not confirm.pending_of(_MODULE):
        return replies.refusal("busy", "another change waits for confirmation on the device")
    question = (texts.prompt(_QUESTION, 0), texts.prompt(_QUESTION, 1))
    confirm.ask(app, _MODULE, [question], True)
    return replies.ok(
        applied=False,
        confirm=confirm.HOW,
        expires_s=confirm.TIMEOUT_S,
        text="at the device: hold SELECT for 1 s, then strike the E-stop, and keep it struck: "
        "then this port becomes MicroPython's REPL",
    )


def settle(app, content, why):
    """End the application if the operator has confirmed; returns the outcome."""
    if why == "confirmed":
        app.request_maintenance()
    app.link.event({"ev": "maintenance", "applied": why == "confirmed", "why": why})
    return why
