"""Ada at her laptop: she generates the project, publishes it, pushes branches, and opens and merges pull requests."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.demo.timeline import OUTPUT, ROOT, SLUG, environment, stop, under_way
from tests.forge import Forge, Identity, Repo

AUTHOR, EMAIL = "Ada", "ada@example.invalid"
STATUS = "gitops-ml"
TABLE = "data/raw/breast_cancer.csv"


def generate() -> Path:
    """Run cookiecutter, whose hook trains the first model. Exits with its status if it fails."""
    project = OUTPUT / SLUG
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    answers = ["project_name=Tumour demo", f"author_name={AUTHOR}", f"author_email={EMAIL}"]
    command = [sys.executable, "-m", "cookiecutter", "--no-input", "--output-dir", str(OUTPUT), str(ROOT)]
    with (
        (OUTPUT / "first-run.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(
            [*command, *answers],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as running,
    ):
        for line in running.stdout or ():
            log.write(line)
            under_way(line.strip()[:90])
    if running.returncode or not (project / "models" / "model.skops").exists():
        said = (OUTPUT / "first-run.log").read_text("utf-8")[-4000:]
        raise stop(f"the project was generated, but its first run did not end:\n{said}")
    return project


@dataclass
class Laptop:
    """Ada's clone, and her account on a forge."""

    project: Path
    forge: Forge
    ada: Identity

    @property
    def repo(self) -> Repo:
        found = self.forge.repo(f"{self.ada.login}/{SLUG}")
        if found is None:
            raise stop("the project was published, but the forge does not have it.")
        return found

    # --- git ------------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Ada's shell: her name, her login for git (in no file and on no command line), no settings of this machine."""
        login = base64.b64encode(f"x-access-token:{self.ada.token}".encode()).decode()
        settings = {
            "user.name": AUTHOR,
            "user.email": EMAIL,
            f"http.{self.forge.url}/.extraHeader": f"Authorization: Basic {login}",
        }
        config = {
            "GIT_CONFIG_COUNT": str(len(settings)),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        for number, (name, value) in enumerate(settings.items()):
            config |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        account = {
            "GITOPS_ML_TOKEN": self.ada.token,
            "GITHUB_SERVER_URL": self.forge.url,
            "GITHUB_API_URL": self.forge.api,
        }
        return environment() | config | account | {"GIT_TERMINAL_PROMPT": "0"}

    def run(self, *command: str | Path) -> str:
        """Run a command in the clone and return what it printed; end the demo with its words if it fails."""
        words = [str(word) for word in command]
        done = subprocess.run(
            words,
            cwd=self.project,
            env=self.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise stop(f"`{' '.join(words)}` failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout

    def take_from(self, address: str) -> None:
        """From now on the table is imported from whoever publishes it: its bytes are DVC's, its address is in git."""
        self.run("git", "rm", "--quiet", TABLE)
        (self.project / TABLE).parent.mkdir(parents=True, exist_ok=True)
        self.run(self.project / ".venv/bin/dvc", "import-url", "--quiet", address, TABLE)
        self.run("git", "add", "data")
        self.run("git", "commit", "--quiet", "--message", "The table comes from its source")

    def table(self) -> bytes:
        """The table as main has it, fetched from the storage where it is not here."""
        self.run(self.project / ".venv/bin/gitops-ml", "storage", "pull", TABLE)
        return (self.project / TABLE).read_bytes()

    def adopt(self, table: bytes) -> None:
        """A newer version of the table; what is new in it becomes a feature."""
        newer = OUTPUT / Path(TABLE).name
        newer.write_bytes(table)
        self.run(self.project / ".venv/bin/gitops-ml", "adopt", newer)
        newer.unlink()

    def publish(self) -> None:
        """To the forge, with the project's own command. The rows are public ones, and so is the repository."""
        public = ("--public", "--i-understand-everyone-can-read-the-rows")
        self.run(
            self.project / ".venv/bin/gitops-ml", "publish", "--yes", "--server", self.forge.url, *public
        )

    def branch(self, name: str, message: str) -> None:
        """Commit what was edited to a new branch, push it with its bytes, and go back to main."""
        self.run("git", "checkout", "--quiet", "-b", name)
        self.run("git", "commit", "--quiet", "--all", "--message", message)
        self.run("git", "push", "--quiet", "origin", name)
        self.run(self.project / ".venv/bin/gitops-ml", "storage", "push")
        self.run("git", "checkout", "--quiet", "main")

    def update(self) -> None:
        """Main as it is now."""
        self.run("git", "pull", "--quiet", "--ff-only", "--tags", "origin", "main")

    # --- the forge ------------------------------------------------------------------------------------------

    def approve(self, number: int) -> None:
        """Bob has read the evidence, and approves this commit."""
        head = self.repo.pull(number)["head"]["sha"]
        review = {"event": "APPROVE", "commit_id": head, "body": "The watch is right: let us follow it."}
        self.api("POST", f"/pulls/{number}/reviews", review, by=self.forge.user("bob"))

    def api(self, method: str, path: str, body: Any, by: Identity | None = None) -> Any:
        """What a button on the forge's page does. Raises urllib.error.HTTPError where it refuses."""
        request = urllib.request.Request(
            f"{self.repo.api}{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {(by or self.ada).token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return json.load(answer)

    def pull_request(self, branch: str, title: str, body: str) -> int:
        """Open a pull request from a branch; its number."""
        asked = {"title": title, "head": branch, "base": "main", "body": body}
        return int(self.api("POST", "/pulls", asked)["number"])

    def merge(self, number: int) -> str:
        """Press the button; what the forge said if it refused, else nothing."""
        try:
            self.api("PUT", f"/pulls/{number}/merge", {"merge_method": "squash"})
        except urllib.error.HTTPError as refused:
            return str(json.load(refused).get("message", refused.reason))
        self.update()
        return ""

    def page(self, number: int) -> str:
        return f"{self.repo.url}/pull/{number}"

    def verdict(self, number: int) -> tuple[str, str]:
        """State and description of the one required status on the head of a pull request."""
        head = self.repo.pull(number)["head"]["sha"]
        said = next((one for one in self.repo.statuses(head) if one["context"] == STATUS), None)
        return (said["state"], said["description"]) if said else ("missing", "")
