"""The local GitHub as tests hold it: started over a folder, with identities, repositories, faults and the call log."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.forge.access import plain
from tests.forge.calls import Call
from tests.forge.faults import Faults
from tests.forge.plumbing import environment
from tests.forge.repo import Repo, slug_of
from tests.forge.state import Identity, Json, State, new_repo


class Forge:
    """A forge over a folder. ``with Forge.start(folder) as forge: ...``"""

    def __init__(self, folder: Path, port: int = 0) -> None:
        from tests.forge.server import Server

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.state = State(self.folder)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.errors: list[BaseException] = []
        """Mistakes of the forge itself: leaving the ``with`` block raises the first."""
        self.lock = threading.RLock()
        self.file_limit = 100 * 1024 * 1024
        self.lazy_mergeable = True
        """GitHub says mergeable: null when first asked after a change, and works it out meanwhile."""
        self.hooks = Path(tempfile.mkdtemp(prefix="forge-hooks-"))
        self._server = Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.api = f"{self.url}/api/v3"
        self.state.url = self.url
        self.state.load()
        self._repos: dict[str, Repo] = {}
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @classmethod
    def start(cls, folder: Path, port: int = 0) -> Forge:
        """Serve a folder on 127.0.0.1; port 0 takes a free one."""
        return cls(folder, port)

    load = start

    def __enter__(self) -> Forge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self.errors and error is None:
            raise RuntimeError("the forge itself failed") from self.errors[0]

    def stop(self) -> None:
        """End the server; the folder can be started again."""
        self._server.shutdown()
        self._server.server_close()
        with self.lock:
            self.save()
        shutil.rmtree(self.hooks, ignore_errors=True)

    def save(self, folder: Path | None = None) -> None:
        """Write the state; with a folder, copy the whole forge there, ready to be started."""
        with self.lock:
            self.state.save()
            if folder is not None:
                shutil.copytree(self.folder, folder, dirs_exist_ok=True)

    # --- identities --------------------------------------------------------------------------------------

    def user(self, login: str, kind: str = "User") -> Identity:
        """A person (or kind "Organization") with a token that may all that they may; the same one each time."""
        with self.lock:
            record = self.state.user(login, kind)
            if not record["token"]:
                record["token"] = self.state.token("ghp", record["login"], "pat", permissions=None)
                self.save()
            return Identity(record["login"], record["type"], record["token"])

    def pat(
        self, who: Identity, permissions: Mapping[str, str] | None = None, expired: bool = False
    ) -> Identity:
        """Another token of a person: limited to permissions, or expired."""
        with self.lock:
            granted = plain(permissions)
            token = self.state.token("github_pat", who.login, "pat", permissions=granted, expired=expired)
            self.save()
            return Identity(who.login, who.kind, token)

    def expire(self, token: str) -> None:
        """From now on the token has expired."""
        with self.lock:
            self.state.data["tokens"][token]["expired"] = True
            self.save()

    # --- repositories ------------------------------------------------------------------------------------

    def create(self, slug: str, owner: Identity, private: bool = False, plan: str = "free") -> Repo:
        """An empty repository with GitHub's defaults; under another name than the owner's, of an organisation."""
        account, name = slug_of(slug)
        with self.lock:
            if self.state.repo(slug):
                raise ValueError(f"{slug} exists")
            organisation = account.lower() != owner.login.lower()
            record = self.state.user(account, "Organization" if organisation else "User")
            # An organisation's own setting is inherited; here it is off, as it is on new ones.
            can_approve = bool(record.get("can_approve", False))
            data = new_repo(self.state.number(), record["login"], name, private, can_approve)
            data["plan"] = plan
            if organisation:
                data["collaborators"][owner.login] = "admin"
                record.setdefault("admins", []).append(owner.login)
            self._add(data)
            return self._repo(data)

    def _add(self, data: Json, source: Path | None = None) -> None:
        bare = self.state.bare(data)
        bare.parent.mkdir(parents=True, exist_ok=True)
        if source is None:
            words = ["init", "--quiet", "--bare", "--template=", "--initial-branch", data["default_branch"]]
        else:
            words = ["clone", "--quiet", "--bare", "--template=", str(source)]
        subprocess.run(["git", *words, str(bare)], env=environment(), check=True, capture_output=True)
        if source is not None:
            subprocess.run(
                ["git", "-C", str(bare), "remote", "remove", "origin"], env=environment(), check=True
            )
        self.state.data["repos"][f"{data['owner']}/{data['name']}"] = data
        self.save()

    def fork(self, repo: Repo, owner: Identity) -> Repo:
        """A fork under another account: own branches and tags, own settings, no secrets."""
        with self.lock:
            name = repo.data["name"]
            data = new_repo(self.state.number(), owner.login, name, repo.data["private"], False)
            data |= {"fork_of": repo.slug, "default_branch": repo.data["default_branch"]}
            self._add(data, repo.bare)
            made = self._repo(data)
            for ref in made.git.refs():
                if not ref.startswith(("refs/heads/", "refs/tags/")):
                    made.git.update(ref, None)
            return made

    def repo(self, slug: str | None) -> Repo | None:
        data = self.state.repo(slug) if slug else None
        return self._repo(data) if data else None

    def repos(self) -> list[Repo]:
        return [self._repo(data) for data in list(self.state.data["repos"].values())]

    def _repo(self, data: Json) -> Repo:
        slug = f"{data['owner']}/{data['name']}"
        known = self._repos.get(slug)
        if known is None or known.data is not data:
            known = self._repos[slug] = Repo(self, data)
        return known

    # --- the log -----------------------------------------------------------------------------------------

    def effects(self) -> list[Call]:
        """The calls that changed something."""
        return [call for call in self.calls if call.effect]

    @contextmanager
    def recording(self) -> Iterator[list[Call]]:
        """The calls made inside the block."""
        start = len(self.calls)
        made: list[Call] = []
        yield made
        made.extend(self.calls[start:])
