"""A client of HTTP/3 (aioquic): client.py ADDRESS:PORT CA WHAT [ARGUMENT...]

Prints what it was asked to find out as one line of JSON, or fails.
"""

import asyncio
import json
import sys
import time

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
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


if __name__ == "__main__":
    print(json.dumps(asyncio.run(globals()[sys.argv[3]](*sys.argv[4:]))))
