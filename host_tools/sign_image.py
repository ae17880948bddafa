"""Sign a firmware image for a release: `python -m host_tools.sign_image build/image`.

The private key (PEM, Ed25519, no password) is the variable CRYODOSE_RELEASE_KEY. Without it nothing
is signed, and that is said. For the release workflow; may import `release`, `keys`, `errors` and
the standard library.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from host_tools import release as releases
from host_tools.errors import CryoError, LocalError
from host_tools.keys import key_id, sign

VARIABLE = "CRYODOSE_RELEASE_KEY"


def sign_image(folder: Path, private_pem: str) -> str:
    """Write the signature beside the manifest; the key's name.

    Raises LocalError: no image, no key, or one that nobody could check with.
    """
    release = releases.load(folder)
    statement = releases.PURPOSE + release.manifest
    public, signature = sign(private_pem.encode(), statement, f"${VARIABLE}")
    if public not in releases.release_keys():
        raise LocalError(
            f"the public half of release key {key_id(public)} is not in {releases.KEYS.name}",
            "nobody could check this signature: add it (docs/release.md), and commit that first",
        )
    (folder / releases.SIGNATURE).write_text(signature.hex() + "\n", "ascii")
    return key_id(public)


def main(argv: list[str] | None = None) -> int:
    """The command line; the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if len(words) != 1:
        print("usage: python -m host_tools.sign_image FOLDER", file=sys.stderr)
        return 2
    private = os.environ.get(VARIABLE, "").strip()
    if not private:
        text = f"{words[0]} is NOT SIGNED: {VARIABLE} is not set. It needs `cryo update --unsigned`"
        print(f"::warning::{text}" if os.environ.get("GITHUB_ACTIONS") else text)
        return 0
    try:
        print(f"{words[0]} is signed by release key {sign_image(Path(words[0]), private)}")
    except CryoError as error:
        print(f"not signed: {error.text}. {error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
