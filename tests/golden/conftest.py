"""`--record`: write the golden screens instead of comparing with them.

The firmware's drawing rooms are imported as they are: `micropython` and `framebuf` are lent.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest

from hw_sim.fakes import framebuf

lent = sys.modules.setdefault("micropython", ModuleType("micropython"))
lent.const = lambda value: value  # type: ignore[attr-defined]
lent.native = lambda function: function  # type: ignore[attr-defined]
frames = sys.modules.setdefault("framebuf", ModuleType("framebuf"))
frames.FrameBuffer = framebuf.FrameBuffer  # type: ignore[attr-defined]
frames.MONO_VLSB = framebuf.MVLSB  # type: ignore[attr-defined]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write the golden screens anew")


@pytest.fixture
def record(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--record"))


@pytest.fixture(autouse=True)
def english_afterwards() -> Iterator[None]:
    """Closes a language's file of glyphs. CPython's collector would go through all tests for it."""
    from cryo import texts  # not before `micropython` has been lent

    texts.gc = SimpleNamespace(collect=lambda: None)  # type: ignore[attr-defined]
    yield
    texts.use(1)
