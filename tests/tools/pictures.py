"""Take the README's pictures again, of the pages that `make demo` left: ``python -m tests.tools.pictures``. Needs Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.demo.timeline import OUTPUT, ROOT, SLUG
from tests.forge import Forge

PICTURES = {  # the branch of a pull request of the demo -> name of the picture, height of what matters on its page
    "retrain/data": ("pull-request-pass", 1330),
    "one-tree": ("pull-request-blocked", 1000),
    "retrain/drift": ("pull-request-drift", 1400),
    "roll-back/production": ("pull-request-back", 760),
}
WIDTH = 1000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """One picture for each entry of PICTURES, into docs/pictures. Exits with its reason where one cannot be taken."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit("error: no Chromium is installed, and a picture is what a browser shows")
    if not (OUTPUT / "forge").is_dir():
        sys.exit("error: there is no demo to look at. Run: make demo")
    with Forge.start(OUTPUT / "forge") as forge, tempfile.TemporaryDirectory() as profile:
        repo = forge.repo(f"ada/{SLUG}")
        if repo is None:
            sys.exit("error: the demo ended before it published. Run: make demo")
        for branch, (name, height) in PICTURES.items():
            number = next((one["number"] for one in repo.pulls if one["head"]["ref"] == branch), None)
            if number is None:
                sys.exit(f"error: the demo opened no pull request from {branch}")
            target = ROOT / "docs" / "pictures" / f"{name}.png"
            take(browser, f"{repo.url}/pull/{number}", target, height, Path(profile))
            print(f"{target.relative_to(ROOT)}  #{number}")


def take(browser: str, address: str, target: Path, height: int, profile: Path) -> None:
    """A picture of the top of a page, WIDTH x height pixels."""
    quiet = (
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *quiet]
    command += [
        f"--user-data-dir={profile}",
        f"--window-size={WIDTH},{height}",
        f"--screenshot={target}",
        address,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
