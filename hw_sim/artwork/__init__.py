"""Generators of the pictures, fonts and texts in docs/ and firmware/."""
