"""Stand-in for actions/create-github-app-token: the runner made the token; here only id and key are checked."""

from __future__ import annotations

import os
import sys


def fail(text: str) -> None:
    print(f"::error::{text}")
    sys.exit(1)


def main() -> None:
    ident, key = os.environ.get("WITH_ID", "").strip(), os.environ.get("WITH_KEY", "").strip()
    if not ident:
        fail("The 'client-id' (or deprecated 'app-id') input must be set to a non-empty string.")
    if not key:
        fail("The 'private-key' input must be set to a non-empty string.")
    if ident != os.environ.get("STANDIN_APP_ID") or key != os.environ.get("STANDIN_APP_KEY", "").strip():
        fail("A JSON web token could not be decoded (401): no App has this id and key")
    if os.environ.get("STANDIN_APP_REFUSED"):
        fail(
            "The permissions requested are not granted to this installation. (422): "
            + os.environ["STANDIN_APP_REFUSED"]
        )
    print(f"::add-mask::{os.environ['STANDIN_APP_TOKEN']}")
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as output:
        output.write(f"token={os.environ['STANDIN_APP_TOKEN']}\napp-slug={os.environ['STANDIN_APP_SLUG']}\n")


if __name__ == "__main__":
    main()
