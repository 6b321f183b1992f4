"""A server that takes HTTP/1.1 by the letter: strict.py ADDRESS PORT LOG.

It writes a line for each head that it takes (`SAW <request line>`) and one for whatever breaks a rule (`BAD <why>`), after
which it closes.
"""

import re
import socketserver
import sys

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
REQUEST = re.compile(TOKEN + rb" (?:/[\x21-\x7e]*|\*) HTTP/1\.1\r\n\Z")
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\r\n\Z")
SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n\Z")
LOG = open(sys.argv[3], "ab", buffering=0)


class Bad(Exception):
    pass


class Server(socketserver.StreamRequestHandler):
    def line(self, rule):
        text = self.rfile.readline(1 << 17)
        if not text.endswith(b"\n"):
            # Whoever broke off said nothing that could be taken in two ways.
            raise EOFError
        found = rule.match(text)
        if text != b"\r\n" and not found:
            raise Bad(ascii(text))
        return found

    def take(self, count):
        if len(self.rfile.read(count)) < count:
            raise EOFError

    def fields(self):
        fields = {}
        while found := self.line(FIELD):
            fields.setdefault(found[1].lower(), []).append(found[2])
        return fields

    def body(self, fields):
        codings, lengths = fields.get(b"transfer-encoding", []), fields.get(b"content-length", [])
        if codings:
            if lengths or codings != [b"chunked"]:
                raise Bad(f"framing: {codings} {lengths}")
            while size := int(self.size(), 16):
                self.take(size)
                if self.rfile.read(2) != b"\r\n":
                    raise Bad("a chunk that is longer than its size")
            self.fields()
        elif lengths:
            if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
                raise Bad(f"length: {lengths}")
            self.take(int(lengths[0]))

    def size(self):
        found = self.line(SIZE)
        if not found:
            raise Bad("an empty chunk size")
        return found[1]

    def handle(self):
        try:
            while found := self.line(REQUEST):
                fields = self.fields()
                LOG.write(b"SAW " + found[0].strip() + b"\n")
                if len(fields.get(b"host", [])) != 1:
                    raise Bad("host")
                self.body(fields)
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            raise Bad("an empty line where a request should be")
        except Bad as why:
            LOG.write(f"BAD {why}\n".encode())
        except (EOFError, OSError):
            pass


class All(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


All((sys.argv[1], int(sys.argv[2])), Server).serve_forever()
