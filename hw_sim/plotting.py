"""What the pictures of the documentation share: colours, a figure, the device's screen, saving.

The same input gives the same bytes. May import the standard library, matplotlib, NumPy and Pillow
(all lazily).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
INK, SOFT, FAINT, GRID, PAPER = "#16202b", "#5d6b79", "#a9b4bf", "#e4e9ee", "#ffffff"
BLUE, RED = "#2b7fb8", "#c8382f"
BEZEL_PX = 7
_GLASS_OFF, _GLASS_ON, _BEZEL = (9, 13, 19), (170, 222, 255), "#232c36"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 13.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 1.0,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
}


@cache
def load() -> Any:
    """Load matplotlib, which takes a moment; a caller with time to spare may do it early."""
    for name in ("matplotlib.backends.backend_agg", "matplotlib.figure", "matplotlib.ticker"):
        import_module(name)
    return import_module("matplotlib")


def figure(width_px: int, height_px: int) -> Figure:
    """An empty figure of this size in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No pyplot: nothing is shown, and nothing global is left behind.
    made = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI)
    FigureCanvasAgg(made)
    return made


def save(made: Figure, path: Path) -> None:
    """Write a figure as PNG, without version and date."""
    # 256 colours are plenty for lines and flat areas, and a third of the bytes.
    from PIL import Image

    canvas: Any = made.canvas
    canvas.draw()
    width, height = canvas.get_width_height()
    image = Image.frombuffer("RGBA", (width, height), bytes(canvas.buffer_rgba()))
    flat = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    flat.save(path, format="PNG", optimize=True)


def snapshot(pixels: bytes, path: Path, dot_px: int = 2) -> None:
    """Write a screen alone (128 x 64 bytes, 0 or not) as PNG, with its bezel."""
    from PIL import Image

    dots = Image.frombytes("P", (128, 64), bytes(2 if pixel else 1 for pixel in pixels))
    edge = BEZEL_PX - 1
    size = (128 * dot_px + 2 * edge, 64 * dot_px + 2 * edge)
    image = Image.new("P", size, 0)
    bezel = tuple(bytes.fromhex(_BEZEL[1:]))
    image.putpalette([*bezel, *_GLASS_OFF, *_GLASS_ON])
    image.paste(dots.resize((128 * dot_px, 64 * dot_px), Image.Resampling.NEAREST), (edge, edge))
    image.save(path, format="PNG", optimize=True, bits=2)


def screen(made: Figure, pixels: bytes, x_px: int, y_px: int, dot_px: int) -> None:
    """Draw a screen (128 x 64 bytes, 0 or not) with its lower left corner at (x, y) of a figure,
    each dot `dot_px` wide, dot for dot."""
    import numpy as np
    from matplotlib.patches import FancyBboxPatch

    width_px, height_px = (size / 1.0 for size in made.get_size_inches() * DPI)
    dots = np.frombuffer(pixels, np.uint8).reshape(64, 128)
    big = np.repeat(np.repeat(dots, dot_px, axis=0), dot_px, axis=1)[:, :, None]
    colours = np.where(big > 0, np.array(_GLASS_ON), np.array(_GLASS_OFF)).astype(np.uint8)
    made.patches.append(
        FancyBboxPatch(
            ((x_px - BEZEL_PX) / width_px, (y_px - BEZEL_PX) / height_px),
            (128 * dot_px + 2 * BEZEL_PX) / width_px,
            (64 * dot_px + 2 * BEZEL_PX) / height_px,
            boxstyle="round,pad=0,rounding_size=0.006",
            mutation_aspect=width_px / height_px,
            transform=made.transFigure,
            facecolor=_BEZEL,
            edgecolor="none",
            zorder=2,
        )
    )
    made.figimage(colours, x_px, y_px, origin="upper", zorder=3)
