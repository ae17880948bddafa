"""Simulated hardware: the unchanged firmware runs on it, in virtual time."""
