"""Whoever publishes a table: one file over HTTP on this machine, which can grow, shrink, move and break."""

from __future__ import annotations

import hashlib
import http.server
import threading


class Source:
    """Whoever publishes the table: one file over HTTP, with the ETag that DVC asks for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.asked = 0
        source = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.asked += 1
                self.send_response(200)
                self.send_header("ETag", f'"{hashlib.md5(source.content).hexdigest()}"')
                self.send_header("Content-Length", str(len(source.content)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(source.content)

            do_HEAD = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                """The test asks ``asked``."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/table.csv"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def lose(self, rows: int) -> None:
        """The last rows are gone: newer data, of the same form."""
        self.content = b"\n".join(self.content.rstrip(b"\n").split(b"\n")[:-rows]) + b"\n"
