"""Cryodose: the application on the board. Imports nothing; holds the one version number."""

VERSION = "0.1.0"
VERSION_NUMBER = 100  # major * 10000 + minor * 100 + patch, as the journal records it
