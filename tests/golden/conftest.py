"""Option `--record`: write the golden screens instead of comparing with them.

Imports the firmware's drawing modules unchanged, with stubs of `micropython` and `framebuf`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest

from hw_sim.fakes import framebuf

stub = sys.modules.setdefault("micropython", ModuleType("micropython"))
stub.const = lambda value: value  # type: ignore[attr-defined]
stub.native = lambda function: function  # type: ignore[attr-defined]
frames = sys.modules.setdefault("framebuf", ModuleType("framebuf"))
frames.FrameBuffer = framebuf.FrameBuffer  # type: ignore[attr-defined]
frames.MONO_VLSB = framebuf.MVLSB  # type: ignore[attr-defined]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write the golden screens again")


@pytest.fixture
def record(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--record"))


@pytest.fixture(autouse=True)
def english_afterwards() -> Iterator[None]:
    """Closes a language's glyph file, without a run of CPython's collector over all tests."""
    from cryo import texts  # needs the stub of `micropython`

    texts.gc = SimpleNamespace(collect=lambda: None)  # type: ignore[attr-defined]
    yield
    texts.use(1)
