"""A web server on this machine that understands ranges, and an archive like Omniglot's for it to serve."""

import hashlib
import io
import socket
import struct
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


@dataclass
class Mirror:
    """Files by path, and how badly they are served.

    Args:
        files: path -> bytes.
        cuts: after so many bytes of each answer the connection breaks; one answer each, then none break.
        rude: whether it breaks by a reset.
        ranges: whether a range is understood.
        length: said to be the length of each answer, where it is not the truth.
    """

    files: dict[str, bytes]
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    length: str | None = None
    rude: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(mirror):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            mirror.asked.append((self.path, asked))
            body = mirror.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and mirror.ranges else 0
            if start and start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", mirror.length or str(len(body) - start))
            self.end_headers()
            self.wfile.write(body[start : start + mirror.cuts.pop(0)] if mirror.cuts else body[start:])
            if mirror.rude:
                self.wfile.flush()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield mirror
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def drawing(black=()):
    """A drawing of 105 x 105, white but for the rectangle of `black`, as Omniglot's PNGs are: one bit a pixel."""
    pixels = np.full((105, 105), 255, dtype=np.uint8)
    if black:
        pixels[black] = 0
    file = io.BytesIO()
    Image.fromarray(pixels).convert("1").save(file, "PNG")
    return file.getvalue()


def archive(part, alphabets, drawers=20, extra=()):
    """alphabets: name -> number of characters."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        number = 0
        for alphabet, characters in alphabets.items():
            for character in range(1, characters + 1):
                number += 1
                for drawer in range(1, drawers + 1):
                    black = (slice(0, 5 * character), slice(0, 5 * drawer))
                    made.writestr(
                        f"{part}/{alphabet}/character{character:02}/{number:04}_{drawer:02}.png", drawing(black)
                    )
        for name, data in extra:
            made.writestr(name, data)
    return file.getvalue()


def md5(data):
    return hashlib.md5(data).hexdigest()
