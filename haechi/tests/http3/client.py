"""A client of HTTP/3 (aioquic): client.py ADDRESS:PORT CA WHAT [ARGUMENT...]

Prints what it was asked to find out as one line of JSON, or fails.
"""

import asyncio
import hashlib
import json
import socket
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.connection import QuicConnection
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StopSendingReceived, StreamReset

PATIENCE = 30


class Answer:
    def __init__(self):
        self.interim, self.head, self.body, self.trailers = [], None, b"", None
        self.sizes, self.reset, self.stopped = [], None, None
        self.changed, self.done = asyncio.Event(), asyncio.Event()

    def status(self):
        return int(dict(self.head)[b":status"])

    def field(self, name):
        return next((value.decode() for key, value in self.head if key == name.encode()), None)

    def facts(self):
        return {
            "status": self.status() if self.head else None,
            "fields": {key.decode(): value.decode() for key, value in self.head or []},
            "body": self.body.decode("latin-1") if len(self.body) < 4096 else len(self.body),
            "trailers": [[key.decode(), value.decode()] for key, value in self.trailers or []],
            "reset": self.reset,
            "stopped": self.stopped,
        }


class Client(QuicConnectionProtocol):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self.http = H3Connection(self._quic)
        self.answers = {}
        self.closed = None
        self.gone = asyncio.Event()
        self.farewell = None
        self.on_data = None

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.closed = event.error_code
            self.gone.set()
            for answer in self.answers.values():
                answer.done.set()
                answer.changed.set()
        answer = self.answers.get(getattr(event, "stream_id", None))
        if answer and isinstance(event, StreamReset):
            answer.reset = event.error_code
            answer.done.set()
            answer.changed.set()
        if answer and isinstance(event, StopSendingReceived):
            answer.stopped = event.error_code
            answer.changed.set()
        for event in self.http.handle_event(event):
            answer = self.answers.get(event.stream_id)
            if answer is None:
                continue
            if isinstance(event, HeadersReceived):
                status = dict(event.headers).get(b":status", b"200")
                if status.startswith(b"1"):
                    answer.interim.append(event.headers)
                elif answer.head is None:
                    answer.head = event.headers
                else:
                    answer.trailers = event.headers
            if isinstance(event, DataReceived):
                answer.body += event.data
                answer.sizes.append(len(event.data))
            answer.changed.set()
            if event.stream_ended:
                answer.done.set()

    def begin(self, method="GET", path="/", fields=(), end=True, authority="localhost"):
        stream = self._quic.get_next_available_stream_id()
        self.answers[stream] = Answer()
        head = [
            (b":method", method.encode()),
            (b":scheme", b"https"),
            (b":authority", authority.encode()),
            (b":path", path.encode()),
        ]
        self.http.send_headers(stream, head + [(k.encode(), v.encode()) for k, v in fields], end)
        self.transmit()
        return stream

    def send(self, stream, data, end=False):
        self.http.send_data(stream, data, end)
        self.transmit()

    async def answer(self, stream):
        await asyncio.wait_for(self.answers[stream].done.wait(), PATIENCE)
        return self.answers[stream]

    async def get(self, *arguments, **more):
        return await self.answer(self.begin(*arguments, **more))


def client(**more):
    host, port = sys.argv[1].rsplit(":", 1)
    config = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost", **more)
    config.load_verify_locations(sys.argv[2])
    return connect(host.strip("[]"), int(port), configuration=config, create_protocol=Client)


async def get(path="/", count="1", method="GET"):
    """Asks so many times, on one connection."""
    async with client() as to:
        for _ in range(int(count)):
            answer = await to.get(method, path)
        return answer.facts()


async def put_and_get(size):
    """A body each way, and what has none."""
    body = hashlib.sha512(b"seed").digest() * (int(size) // 64)
    async with client() as to:
        stream = to.begin("PUT", "/file", end=False)
        for at in range(0, len(body), 1 << 18):
            to.send(stream, body[at : at + (1 << 18)])
            await asyncio.sleep(0)
        to.send(stream, b"", True)
        put = await to.answer(stream)
        length = await to.get("PUT", "/other", [("content-length", "0")])
        back = await to.get("GET", "/file")
        none = await to.get("GET", "/none")
        # An empty one: aioquic takes the length of another for that of a body, and closes the connection for its lack.
        head = await to.get("HEAD", "/other")
        return {
            "put": put.status(),
            "length": length.status(),
            "same": back.body == body,
            "head": [head.status(), head.field("content-length"), len(head.body)],
            "none": [none.status(), len(none.body)],
        }


async def move(times):
    """Changes its port again and again."""
    statuses = []
    async with client() as to:
        for _ in range(int(times)):
            statuses.append((await to.get()).status())
            before = to._transport
            new = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            new.bind(("::", 0, 0, 0))
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: to, sock=new)
            before.close()
            to.change_connection_id()
        return {"statuses": statuses, "closed": to.closed}


async def large_head():
    async with client() as to:
        large = await to.get("GET", "/", [("x-%d" % at, "a" * 4000) for at in range(20)])
        return {"large": large.facts(), "after": (await to.get()).status()}


async def resets(count):
    """Takes its requests back at once."""
    async with client() as to:
        await to.get()
        for _ in range(int(count)):
            stream = to.begin()
            to._quic.reset_stream(stream, 0x10C)
            to._quic.stop_stream(stream, 0x10C)
            to.transmit()
            await asyncio.sleep(0.001)
            if to.closed is not None:
                break
        await asyncio.wait_for(to.gone.wait(), PATIENCE)
        return {"closed": to.closed}


def silent():
    """Sends its first datagram, and then nothing; counts what comes."""
    config = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost")
    quic = QuicConnection(configuration=config)
    host, port = sys.argv[1].rsplit(":", 1)
    quic.connect((host, int(port)), now=0.0)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.settimeout(4)
    sent = sum(out.sendto(data, address) for data, address in quic.datagrams_to_send(now=0.0))
    came = 0
    try:
        while True:
            came += len(out.recv(2000))
    except TimeoutError:
        return {"sent": sent, "came": came}


if __name__ == "__main__":
    found = globals()[sys.argv[3]](*sys.argv[4:])
    print(json.dumps(asyncio.run(found) if asyncio.iscoroutine(found) else found))
