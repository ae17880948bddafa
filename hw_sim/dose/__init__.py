"""Dose tables of the firmware, computed from the tissue model, and evaluation of their accuracy.

`python -m hw_sim.dose` writes firmware/cryo/applicators.py, `python -m hw_sim.dose.nozzle` and
`python -m hw_sim.dose.skin` print the constants of the live estimate, `python -m
hw_sim.dose.campaign` measures the accuracy of the complete device over random treatments. May
import NumPy and `hw_sim`; imports no firmware.
"""
