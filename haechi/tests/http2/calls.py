"""gRPC's own server and client, without generated code: `calls.py server ADDRESS`, `grpc.py client ADDRESS`.

The server prints `ready`, and `cancelled` for each call that was given up. The client prints `ok`, or fails.
"""

import queue
import sys
import threading
from concurrent import futures

import grpc


def unary(request, context):
    context.set_trailing_metadata((("sum", str(len(request))), ("blob-bin", b"\x00\xff")))
    return request[::-1]


def server_stream(request, _context):
    for at in range(int(request)):
        yield b"%d" % at


def client_stream(requests, _context):
    return b"".join(requests)


def both(requests, _context):
    for request in requests:
        yield b"<" + request + b">"


def fail(_request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as asked: 100 %")


def wait(_request, context):
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait(30)
    print("cancelled", flush=True)
    return b""


def serve(address):
    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
        "Both": grpc.stream_stream_rpc_method_handler(both),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Wait": grpc.unary_unary_rpc_method_handler(wait),
    }
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    assert server.add_insecure_port(address) != 0
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


def expect(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, (error.code(), error.details())
        return error
    raise AssertionError(f"not {code}")


def ping_pong(channel):
    """Each message is sent when the one before has come back, so nothing may wait for more."""
    to_send = queue.Queue()
    answers = channel.stream_stream("/t.T/Both")(iter(to_send.get, None), timeout=20)
    for at in range(100):
        to_send.put(b"%d" % at)
        assert next(answers) == b"<%d>" % at
    to_send.put(None)
    assert next(answers, None) is None


def ask(address):
    channel = grpc.insecure_channel(address)
    call = channel.unary_unary("/t.T/Unary")
    for request in (b"", b"abc", bytes(range(256)) * 12_000):
        answer, about = call.with_call(request, timeout=20, metadata=(("x-own", "1"),))
        trailing = {item.key: item.value for item in about.trailing_metadata()}
        assert answer == request[::-1]
        assert trailing["sum"] == str(len(request)) and trailing["blob-bin"] == b"\x00\xff", trailing
    answers = list(channel.unary_stream("/t.T/ServerStream")(b"5000", timeout=20))
    assert answers == [b"%d" % at for at in range(5000)]
    pieces = [b"x" * 1000] * 2000
    assert channel.stream_unary("/t.T/ClientStream")(iter(pieces), timeout=20) == b"".join(pieces)
    ping_pong(channel)
    error = expect(grpc.StatusCode.FAILED_PRECONDITION, lambda: channel.unary_unary("/t.T/Fail")(b"", timeout=20))
    assert error.details() == "as asked: 100 %", error.details()
    expect(grpc.StatusCode.UNIMPLEMENTED, lambda: channel.unary_unary("/t.T/Nothing")(b"", timeout=20))
    expect(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: channel.unary_unary("/t.T/Wait")(b"", timeout=0.5))
    given_up = channel.unary_unary("/t.T/Wait").future(b"", timeout=20)
    given_up.cancel()
    with futures.ThreadPoolExecutor(max_workers=50) as pool:
        requests = [b"%d" % at for at in range(1000)]
        assert list(pool.map(lambda request: call(request, timeout=20), requests)) == [r[::-1] for r in requests]


def main():
    what, address = sys.argv[1:]
    if what == "server":
        serve(address)
    elif what == "client":
        ask(address)
        print("ok")
    else:
        error = expect(grpc.StatusCode.UNAVAILABLE, lambda: grpc.insecure_channel(address).unary_unary("/t.T/Unary")(b""))
        print(error.details())


main()
