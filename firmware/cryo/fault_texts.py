"""Each fault as the link describes it, in English. Generated; do not edit.

Pure; imports nothing. Controls: none. Loaded by metadata.py for a `describe`.
"""

# number, what is wrong, what to do
FAULT_TEXTS = (
    (1, "E-stop pressed", "Turn it back, hold SELECT 2 s"),
    (2, "Defaults in use", "Check settings, then SELECT"),
    (3, "No room for logs", "Pull the log, then SELECT"),
    (4, "Flash is failing", "Switch off, on; or call service"),
    (5, "Damaged records", "Pull the log, then SELECT"),
    (6, "Thermocouple", "Check its plug, then SELECT"),
    (7, "No signal", "Check its plug, then SELECT"),
    (8, "No signal", "Check its plug, then SELECT"),
    (9, "Out of range", "Check the dewar, then SELECT"),
    (10, "LN2 too low", "Refill dewar, then SELECT"),
    (11, "No coil current", "Check the valve, then SELECT"),
    (12, "Coil on when off", "Turn away, vent, call service"),
    (13, "Nitrogen flows!", "Turn away, close hand valve, vent"),
    (14, "Supply too low", "Check supply, then SELECT"),
    (15, "Program had hung", "Check patient, then SELECT"),
    (16, "Power was lost", "Check patient, then SELECT"),
    (17, "Timer disagrees", "Check patient, call service"),
    (18, "Valve was closed", "Check patient, then SELECT"),
    (19, "Stays pressed", "Free the button, then SELECT"),
    (20, "Screen is silent", "Call service"),
    (21, "It restarted", "Check patient, then SELECT"),
    (22, "Nozzle was warm", "Check LN2, flow, then SELECT"),
    (23, "Purged for 10 s", "Check LN2, flow, then SELECT"),
    (24, "Does not answer", "Check its plug, then SELECT"),
    (25, "Shipped tables", "Calibrate again, then SELECT"),
    (26, "No one can arm", "Add operators, then SELECT"),
)
