"""Extras: what a feature needs beyond the base install, and how to add it to this one.

May import `errors` and (when something is missing) the standard library.
"""

from collections.abc import Generator
from contextlib import contextmanager

from host_tools.errors import LocalError

DISTRIBUTION = "cryodose"


@contextmanager
def needs(extra: str, what: str) -> Generator[None]:
    """Around an import: a missing library becomes a LocalError that names the extra to install.

    `extra`: one of pyproject.toml's optional dependencies. `what`: the feature, as a subject.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise LocalError(
            f"{what} needs the extra '{extra}' of {DISTRIBUTION} ({error.name} is not installed)",
            how_to_add(extra),
        ) from None


def require(extra: str, what: str, *modules: str) -> None:
    """LocalError as of `needs` unless these modules can be found; imports none of them.

    For work that would end at a late import, after somebody's time at the device.
    """
    from importlib.util import find_spec

    for module in modules:
        with needs(extra, what):
            if find_spec(module) is None:
                raise ModuleNotFoundError(name=module)


def how_to_add(extra: str) -> str:
    """The command that adds an extra to this installation: pip's, pipx's or uv's."""
    import sys
    from pathlib import Path

    home = Path(sys.prefix)
    wanted = f"'{DISTRIBUTION}[{extra}]'"
    if (home / "pipx_metadata.json").exists():
        return f"pipx runpip {DISTRIBUTION} install {wanted}"
    if (home / "uv-receipt.toml").exists():
        source = _source()
        return f"uv tool install '{DISTRIBUTION}[{extra}]{f' @ {source}' if source else ''}'"
    if (home / "ready").exists() and (home.parent / "Makefile").exists():
        return "make setup"
    python = sys.executable if sys.prefix != sys.base_prefix else "python3"
    return f"{python} -m pip install {wanted}"


def _source() -> str:
    """The file or address that it was installed from, or an empty string (from an index)."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    return str(json.loads(text).get("url", "")) if text else ""
