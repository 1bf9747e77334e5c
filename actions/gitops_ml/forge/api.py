"""Answers for single calls to the REST API: sent with a timeout, repeated where that is safe, refused in plain words.

PyGithub carries the calls. Its own retry is off: it repeats a POST whose answer was lost (which makes a second
comment), has no limit for the whole, and is silent while it waits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from gitops_ml import __version__
from gitops_ml.errors import Fault
from gitops_ml.forge.errors import Refused, Unsure, explain, words
from gitops_ml.forge.limits import limit
from gitops_ml.forge.patience import VARIABLE, Patience
from gitops_ml.forge.place import Place

if TYPE_CHECKING:
    import requests
    from github.Requester import Requester

TIMEOUT = 30  # seconds to connect, and between two packets
UPLOAD_TIMEOUT = 300
PER_PAGE = 100
SECONDARY_WAIT = 60  # seconds; GitHub's advice where it sends no Retry-After
VERSION = "2022-11-28"

Found = TypeVar("Found")


class _Limited(Exception):
    """A rate limit: nothing was done, and the server wants ``seconds`` of quiet."""

    def __init__(self, seconds: float | None, refused: Refused) -> None:
        super().__init__()
        self.seconds = seconds
        self.refused = refused


class Api:
    """The REST API of one repository's server. A path is below the repository, unless it begins with ``/``."""

    def __init__(self, place: Place, token: str, patience: Patience | None = None) -> None:
        self.place = place
        self.patience = patience or Patience()
        self._token = token
        self._requester = _requester(place, token)

    @property
    def token(self) -> str:
        return self._token

    def get(self, path: str, **parameters: str | int) -> Any:
        return self.request("GET", path, parameters=parameters)[1]

    def patch(self, path: str, **body: Any) -> Any:
        return self.request("PATCH", path, body)[1]

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def post(self, path: str, body: Mapping[str, Any], find: Callable[[], Any | None]) -> Any:
        """Create, or find what an earlier try, or somebody else, has created. See :meth:`ensure`."""
        return self.ensure(lambda: self.request("POST", path, body)[1], find)

    def pages(self, path: str, **parameters: str | int) -> Iterator[dict[str, Any]]:
        """Every entry of a list, page after page, asked for only as far as it is read."""
        wanted: dict[str, str | int] = {**parameters, "per_page": PER_PAGE}
        while True:
            headers, entries = self.request("GET", path, parameters=wanted)
            yield from entries or []
            following = _next(headers.get("link", ""))
            if not following:
                return
            # Only the query is taken over: the host and the path stay ours.
            query = parse_qs(urlsplit(following).query)
            wanted |= {key: values[-1] for key, values in query.items()}

    def ensure(self, create: Callable[[], Found], find: Callable[[], Found | None]) -> Found:
        """Call ``create``; whenever its answer is lost, or it says that the thing exists, look before trying again."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return create()
            except Unsure as unsure:
                # The server may still be at it: wait first, then look.
                waited = self.patience.wait(_first_line(unsure), attempt)
                found = find()
                if found is not None:
                    return found
                if not waited:
                    raise
            except Refused as refused:
                found = find() if refused.status in (409, 422) else None
                if found is None:
                    raise
                return found

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str | int] | None = None,
        repeat: bool | None = None,
    ) -> tuple[dict[str, Any], Any]:
        """Headers (lower-case names) and JSON of the answer.

        ``repeat``: whether an answer that was lost is asked for again; by default all but POST. Raises
        :class:`Refused` for a clear no and :class:`Unsure` when no useful answer came in the time there is.
        """
        full = path if path.startswith("/") else f"/repos/{self.place.slug}/{path}".rstrip("/")
        return self._patiently(
            lambda: self._once(method, full, body, parameters),
            method,
            method != "POST" if repeat is None else repeat,
        )

    def upload(self, url: str, name: str, file: Path) -> Any:
        """POST a file's bytes under a name to a release; not repeated when the answer is lost."""

        def send() -> tuple[dict[str, Any], Any]:
            with file.open("rb") as stream:
                content = stream if file.stat().st_size else b""  # an empty stream would be sent in chunks
                headers = {"Content-Type": "application/octet-stream"}
                answer = self._plain("POST", f"{url}?name={quote(name)}", headers, content, UPLOAD_TIMEOUT)
            return {}, _json(answer.text)

        return self._patiently(send, "POST", False)[1]

    def download(self, url: str) -> bytes:
        """The bytes behind an address of this server; where it redirects to another, the token does not go along."""

        def fetch() -> tuple[dict[str, Any], Any]:
            return {}, self._plain("GET", url, {"Accept": "application/octet-stream"}, None, TIMEOUT).content

        content: bytes = self._patiently(fetch, "GET", True)[1]
        return content

    def _patiently(
        self, once: Callable[[], tuple[dict[str, Any], Any]], method: str, repeat: bool
    ) -> tuple[dict[str, Any], Any]:
        attempt = 0
        while True:
            attempt += 1
            try:
                return once()
            except _Limited as limited:
                seconds = (
                    SECONDARY_WAIT * 2.0 ** (attempt - 1) if limited.seconds is None else limited.seconds
                )
                if not self.patience.wait(_first_line(limited.refused), attempt, seconds):
                    raise Refused(
                        f"{limited.refused}\n  It asks to wait {seconds:.0f} s, and {self.patience.left:.0f} s are "
                        f"left (set {VARIABLE} for more).",
                        limited.refused.status,
                        limited.refused.said,
                    ) from None
            except Unsure as unsure:
                if not repeat or not self.patience.wait(_first_line(unsure), attempt):
                    raise
            except Refused as refused:
                if method == "DELETE" and attempt > 1 and refused.status == 404:
                    return {}, None  # the answer that was lost was a yes
                raise

    def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        parameters: Mapping[str, str | int] | None,
    ) -> tuple[dict[str, Any], Any]:
        import requests

        try:
            status, headers, text = self._requester.requestJson(
                method, path, dict(parameters or {}), None, None if body is None else dict(body)
            )
        except requests.RequestException as error:
            raise self._broken(method, path, error) from None
        except RuntimeError as error:  # PyGithub's word for a redirection to another server
            raise Refused(f"{self.place.host} redirects {method} {path} elsewhere: {error}", 301) from None
        data = self._judged(method, path, status, headers, text)
        return headers, data

    def _plain(
        self, method: str, url: str, headers: dict[str, str], content: Any, timeout: int
    ) -> requests.Response:
        """One call outside the API: an asset's bytes, up or down."""
        import requests

        path = urlsplit(url).path
        if self._token and self._trusted(url):
            headers = {**headers, "Authorization": f"token {self._token}"}
        headers = {**headers, "User-Agent": f"gitops-ml/{__version__}"}
        try:
            with requests.Session() as session:
                session.trust_env = True
                # Without this requests would put a password of ~/.netrc in the place of the token.
                session.auth = lambda request: request
                answer = session.request(
                    method, url, headers=headers, data=content, timeout=(TIMEOUT, timeout)
                )
        except requests.RequestException as error:
            raise self._broken(method, path, error) from None
        if answer.status_code >= 300:
            lower = {name.lower(): value for name, value in answer.headers.items()}
            self._judged(method, path, answer.status_code, lower, answer.text)
        return answer

    def _judged(self, method: str, path: str, status: int, headers: Mapping[str, Any], text: str) -> Any:
        """The answer's JSON; or what the status says, as an exception."""
        try:
            data = _json(text)
        except ValueError:
            if status < 300:  # cut off on its way
                raise self._unsure(method, path, "an answer that is no JSON") from None
            data = None
        if status < 300:
            return data
        if status >= 500 or status == 408:
            raise self._unsure(method, path, f"{status} {words(data)}".strip())
        refused = explain(self.place, method, path, status, headers, data, not self._token)
        limited, seconds = limit(status, headers, refused.said)
        if limited:
            raise _Limited(seconds, refused)
        raise refused

    def _unsure(self, method: str, path: str, what: str) -> Unsure:
        return Unsure(
            f"{self.place.host} gave {what} to {method} {path}\n"
            "  Its state: https://www.githubstatus.com. Run this again: what was done is found, not done twice."
        )

    def _broken(self, method: str, path: str, error: Exception) -> Fault:
        """No answer: a certificate that is not trusted stays so, all else may pass."""
        import requests

        if isinstance(error, requests.exceptions.SSLError):
            return Refused(
                f"{self.place.host} shows a certificate that this machine does not trust.\n"
                "  Set REQUESTS_CA_BUNDLE to your organisation's certificates."
            )
        if isinstance(
            error,
            requests.exceptions.InvalidURL
            | requests.exceptions.MissingSchema
            | requests.exceptions.InvalidSchema,
        ):
            return Refused(f"{self.place.api} is no address of a server. Correct GITHUB_API_URL.")
        kind = "no answer in time" if isinstance(error, requests.Timeout) else "no answer (connection lost)"
        return self._unsure(method, path, kind)

    def _trusted(self, url: str) -> bool:
        """Whether the token may go to this address: the server itself, its API or its uploads, by the same scheme."""
        there, api, server = urlsplit(url), urlsplit(self.place.api), urlsplit(self.place.server)
        if there.scheme != api.scheme:
            return False
        return there.netloc in (api.netloc, server.netloc) or (
            there.netloc == f"uploads.{server.netloc}" and api.netloc == f"api.{server.netloc}"
        )


def _requester(place: Place, token: str) -> Requester:
    from github import Auth, Github

    github = Github(
        auth=Auth.Token(token) if token else None,
        base_url=place.api,
        timeout=TIMEOUT,
        user_agent=f"gitops-ml/{__version__}",
        per_page=PER_PAGE,
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
        lazy=True,
        api_version=VERSION,
    )
    return github.requester


def _next(link: str) -> str:
    """The address of the next page in a Link header (RFC 8288)."""
    found = re.search(r'<([^>]*)>[^<]*rel="next"', link)
    return found.group(1) if found else ""


def _json(text: str) -> Any:
    return json.loads(text) if text.strip() else None


def _first_line(fault: Fault) -> str:
    return str(fault).partition("\n")[0]
