"""Take the README's pictures again, of the pages that `make demo` left: ``python -m tests.tools.pictures``. Needs Chromium."""

from __future__ import annotations

import sys

from tests.demo.timeline import OUTPUT, ROOT, SLUG
from tests.forge import Forge
from tests.tools.browser import NoBrowser, browser

PICTURES = {  # the branch of a pull request of the demo -> name of the picture, height of what matters on its page
    "retrain/data": ("pull-request-pass", 1330),
    "treatment": ("pull-request-blocked", 1000),
    "retrain/drift": ("pull-request-drift", 1400),
    "roll-back/production": ("pull-request-back", 760),
}
WIDTH = 1000


def main() -> None:
    """One picture for each entry of PICTURES, into docs/pictures. Exits with its reason where one cannot be taken."""
    if not (OUTPUT / "forge").is_dir():
        sys.exit("error: there is no demo to look at. Run: make demo")
    with Forge.start(OUTPUT / "forge") as forge, browser() as tab:
        repo = forge.repo(f"ada/{SLUG}")
        if repo is None:
            sys.exit("error: the demo ended before it published. Run: make demo")
        for branch, (name, height) in PICTURES.items():
            number = next((one["number"] for one in repo.pulls if one["head"]["ref"] == branch), None)
            if number is None:
                sys.exit(f"error: the demo opened no pull request from {branch}")
            target = ROOT / "docs" / "pictures" / f"{name}.png"
            tab.screen(WIDTH, height)
            tab.open(f"{repo.url}/pull/{number}")
            tab.picture(target, whole=False)
            print(f"{target.relative_to(ROOT)}  #{number}")


if __name__ == "__main__":
    try:
        main()
    except NoBrowser as missing:
        sys.exit(f"error: {missing}")
