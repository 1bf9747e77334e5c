"""A real browser for tests and pictures: Chromium, without a window, spoken to by its own debugging protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.tools.apt import NotInstalled, install
from websockets.sync.client import ClientConnection, connect

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
START, ANSWER = 60, 60  # seconds that a busy machine may take
WHY = (
    "no Chromium is installed, and a page is what a browser shows. "
    "Install one: sudo apt-get install --yes chromium (or chromium-browser)"
)


class NoBrowser(Exception):
    """There is no browser on this machine; the text says how to get one."""


def find() -> str:
    """The path of a browser. Under CI one is installed if there is none. Raises :class:`NoBrowser`."""
    found = _which()
    if found is None and os.environ.get("CI"):
        try:
            install("chromium")
        except NotInstalled as wrong:
            raise NoBrowser(f"{WHY}\n{wrong}") from None
        found = _which()
    if found is None:
        raise NoBrowser(WHY)
    return found


def _which() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Tab:
    """One page. ``said``: what its console, its policy and its errors said; ``asked``: addresses it asked for."""

    def __init__(self, wire: ClientConnection, session: str) -> None:
        self._wire, self._session, self._last = wire, session, 0
        self.said: list[str] = []
        self.asked: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; events that come meanwhile are kept. Raises RuntimeError where it is refused."""
        self._last += 1
        own = self._last
        self._wire.send(
            json.dumps({"id": own, "method": method, "params": params, "sessionId": self._session})
        )
        while True:
            found = self._next()
            if found.get("id") == own:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']['message']}")
                result: dict[str, Any] = found["result"]
                return result

    def open(self, address: str) -> None:
        """Go there, and wait until it is loaded."""
        self.said.clear(), self.asked.clear()
        self.call("Page.navigate", url=address)
        while self.run("document.readyState") != "complete" or self.run("location.href") == "about:blank":
            time.sleep(0.05)

    def run(self, script: str) -> Any:
        """The value of an expression. Raises RuntimeError with what it threw."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"].get("exception", {}).get("description")))
        return found["result"].get("value")

    def screen(self, width: int, height: int, *, dark: bool = False, script: bool = True) -> None:
        """The size of the screen in CSS pixels, the colours a person asked for, and whether scripts run."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not script)

    def picture(self, target: Path, *, whole: bool = True) -> None:
        """A picture of the whole page, or of what the screen shows."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(base64.b64decode(shot["data"]))

    def _next(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._wire.recv(timeout=ANSWER))
        params = found.get("params", {})
        match found.get("method"):
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.said.append(str(details.get("exception", {}).get("description", details["text"])))
            case "Runtime.consoleAPICalled":
                self.said.append(" ".join(str(one.get("value", "")) for one in params["args"]))
            case "Log.entryAdded":
                self.said.append(params["entry"]["text"])
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])
        return found


@contextmanager
def browser() -> Iterator[Tab]:
    """A browser of its own, with one tab; nothing of it stays. Raises :class:`NoBrowser`."""
    path = find()
    with tempfile.TemporaryDirectory(prefix="gitops-ml-browser-", ignore_cleanup_errors=True) as profile:
        command = [path, *QUIET, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port, place = _port(Path(profile), process)
            with connect(f"ws://127.0.0.1:{port}{place}", max_size=None, proxy=None) as wire:
                yield Tab(wire, _session(wire))
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _port(profile: Path, process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Where it listens: it writes that into its profile."""
    file, end = profile / "DevToolsActivePort", time.monotonic() + START
    while time.monotonic() < end:
        lines = file.read_text().split() if file.exists() else []
        if len(lines) == 2:
            return int(lines[0]), lines[1]
        if process.poll() is not None:
            raise NoBrowser(f"{process.args!r} ended with {process.returncode} before it listened")
        time.sleep(0.05)
    raise NoBrowser(f"the browser did not listen within {START} s")


def _session(wire: ClientConnection) -> str:
    """A session with the one tab that it opened."""

    def ask(number: int, method: str, **params: Any) -> Any:
        wire.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            found = json.loads(wire.recv(timeout=ANSWER))
            if found.get("id") == number:
                return found["result"]

    made = ask(-1, "Target.createTarget", url="about:blank")
    return str(ask(-2, "Target.attachToTarget", targetId=made["targetId"], flatten=True)["sessionId"])
