"""Cryodose: the application on the board. Imports nothing; defines the version number."""

VERSION = "0.2.0"
VERSION_NUMBER = 200  # major * 10000 + minor * 100 + patch, as the journal records it
