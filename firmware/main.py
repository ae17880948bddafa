"""Power-on: build the board, build the application on it, run it.

May import: micropython, cryo. Controls: H-12 (Ctrl-C on the link must not stop a treatment).
"""

import micropython

micropython.kbd_intr(-1)  # H-12: before anything else, so that 0x03 on the link is only a byte

from cryo.board import Board  # noqa: E402

board = Board()
if board.maintenance_wanted():
    # The application is not started and the valve was never set up: both switches stay low.
    micropython.kbd_intr(3)
    print("Cryodose maintenance. The application is not running. Reset to start it.")
else:
    from cryo.app import App  # only now: what is wrong there must not bar maintenance

    App(board).run()
