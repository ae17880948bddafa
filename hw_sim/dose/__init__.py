"""From applicators and the tissue model to the dose tables of the firmware, and how good they are.

`python -m hw_sim.dose` writes firmware/cryo/applicators.py, `python -m hw_sim.dose.nozzle` and
`python -m hw_sim.dose.skin` print the constants of the live estimate, `python -m
hw_sim.dose.campaign` measures what all of it is worth over random treatments. May import NumPy and
`hw_sim`; imports no firmware.
"""
