"""A local server that breaks connections, lies and refuses, as a test asks."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4000  # about 1 MB


class Server(ThreadingHTTPServer):
    """Serves CONTENT at any path; the attributes set how it misbehaves."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []  # the Range of each request
        self.break_after = 0  # bytes until the connection ends, in the first `breaks` requests
        self.breaks = 0
        self.ranges = True  # whether it supports resuming
        self.status = 200
        self.content = CONTENT

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.pth"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        server.requests.append(self.headers.get("Range"))
        if server.status != 200:
            return self.send_error(server.status)
        start, whole = 0, server.content
        if server.ranges and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(whole):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(whole)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        else:
            self.send_response(200)
        body = whole[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if len(server.requests) <= server.breaks:
            body = body[: server.break_after]
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass
