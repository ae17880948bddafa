"""Which languages are on this device. Generated; do not edit.

Pure; imports nothing. Controls: H-09.

1 English
2 Traditional Chinese
"""

# lang_*.py of language 1, 2, ...
CODES = ("en", "zh")
