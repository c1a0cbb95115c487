"""A gRPC client as most of the world has it, calling a kitchen that is written in Rust.

client.py TARGET         makes every check and prints `ok NAME` for each
client.py TARGET cancel  makes a call that waits, and cancels it when a line comes on standard input

Over TLS, with a certificate of its own, where KITCHEN_TLS names a folder with ca.pem, client.pem and client.key.
"""

import os
import sys
import time
from os.path import dirname, join

import grpc

sys.path.insert(0, dirname(__file__))
pb, services = grpc.protos_and_services("kitchen.proto")

MIB = 1024 * 1024
CODES = {code.value[0]: code for code in grpc.StatusCode}


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call did not fail")


def sized(total):
    """An order of so many bytes on the wire."""
    for length in range(total, total - 16, -1):
        order = pb.Order(content=b"\x07" * length)
        if order.ByteSize() == total:
            return order
    raise AssertionError("no order has %d bytes" % total)


def echo(stub):
    reply, call = stub.Echo.with_call(pb.Order(number="김치찌개", count=7), timeout=10)
    assert (reply.number, reply.count) == ("김치찌개", 7), reply
    metadata = dict(call.initial_metadata())
    assert metadata["kitchen"] == "open", metadata
    assert metadata["seal-bin"] == b"\x00\xff", metadata
    assert call.code() == grpc.StatusCode.OK
    assert stub.Echo(pb.Order(), timeout=10) == pb.Order(), "an empty message"


def codes(stub):
    for number in range(1, 17):
        error = failure(lambda: stub.Fail(pb.Order(number="배달 불가: 100%\n", count=number), timeout=10))
        assert error.code() == CODES[number], (number, error)
        assert error.details() == "배달 불가: 100%\n", error.details()


def details(stub):
    asked = pb.Order(number="sold out", content=b"\x00\xff", count=9)
    error = failure(lambda: stub.Fail(asked, timeout=10))
    encoded = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = pb.RpcStatus.FromString(encoded)
    assert (status.code, status.message) == (9, "sold out"), status
    order = pb.Order()
    assert status.details[0].Unpack(order) and order == asked, status


def metadata(stub):
    sent = (("tenant", "seoul"), ("tenant", "busan, jeju"), ("token-bin", b"\x00\xff\x01"))
    lines = stub.Inspect(pb.Order(), timeout=10, metadata=sent).lines
    caller = "identity=spiffe://fleet/client" if "KITCHEN_TLS" in os.environ else "identity=none"
    for expected in ["tenant: seoul", "tenant: busan, jeju", "token-bin: [0, 255, 1]", "transport=grpc", "attempt=1", caller]:
        assert expected in lines, (expected, lines)
    assert not [line for line in lines if "grpc-" in line or "user-agent" in line], lines


def too_much_metadata(stub):
    sent = tuple(("key-%d" % n, "x") for n in range(65))
    error = failure(lambda: stub.Inspect(pb.Order(), timeout=10, metadata=sent))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error


def deadline(stub):
    error = failure(lambda: stub.Wait(pb.Order(), timeout=0.2))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    remaining = [line for line in stub.Inspect(pb.Order(), timeout=100).lines if line.startswith("remaining=")]
    # grpcio rounds a timeout up, to two digits or so.
    assert 90_000 < int(remaining[0].split("=")[1]) <= 102_000, remaining
    assert "remaining=0" in stub.Inspect(pb.Order()).lines, "no deadline is none"


def limits(stub):
    exact = sized(4 * MIB)
    assert stub.Echo(exact, timeout=60) == exact
    error = failure(lambda: stub.Echo(sized(4 * MIB + 1), timeout=60))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
    assert stub.Echo(pb.Order(count=3), timeout=10).count == 3, "the connection is none the worse for it"


def streams(stub):
    assert [order.count for order in stub.Count(pb.Order(count=1000), timeout=30)] == list(range(1000))
    assert stub.Sum((pb.Order(count=n) for n in range(101)), timeout=30).count == 5050
    assert stub.Sum(iter(()), timeout=10).count == 0, "a stream of nothing"
    sent = [pb.Order(number="n", count=n, content=b"x" * (n * 997 % 70_000)) for n in range(100)]
    assert list(stub.Chat(iter(sent), timeout=60)) == sent


def failing_stream(stub):
    for kind, code in [("fail", grpc.StatusCode.NOT_FOUND), ("panic", grpc.StatusCode.INTERNAL)]:
        got = []

        def read():
            for order in stub.Count(pb.Order(number=kind, count=3), timeout=10):
                got.append(order.count)

        error = failure(read)
        assert (got, error.code()) == ([0, 1, 2], code), (got, error)


def large_stream(stub):
    """More than all windows hold, both ways, and nobody reads at first."""
    sent = [pb.Order(count=n, content=bytes([n]) * 256 * 1024) for n in range(100)]
    answers = stub.Chat(iter(sent), timeout=120)
    first = next(answers)
    time.sleep(0.3)
    assert [first, *answers] == sent


def stream_deadline(stub):
    got = []

    def read():
        for order in stub.Count(pb.Order(number="hang", count=3), timeout=1):
            got.append(order.count)

    error = failure(read)
    assert (got, error.code()) == ([0, 1, 2], grpc.StatusCode.DEADLINE_EXCEEDED), (got, error)


def stream_cancelled(stub):
    counted = stub.Count(pb.Order(number="hang", count=1), timeout=60)
    assert next(counted).count == 0
    counted.cancel()
    assert failure(lambda: next(counted)).code() == grpc.StatusCode.CANCELLED

    def orders():
        yield pb.Order(count=1)
        raise RuntimeError("as asked")

    assert failure(lambda: stub.Sum(orders(), timeout=60)).code() in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)


def stream_of_garbage(stub):
    sum_up = channel.stream_unary("/t.Kitchen/Sum", lambda sent: sent, pb.Order.FromString)
    error = failure(lambda: sum_up(iter([pb.Order(count=1).SerializeToString(), b"\xff\xff\xff"]), timeout=10))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error


def panic(stub):
    error = failure(lambda: stub.Echo(pb.Order(number="panic"), timeout=10))
    assert error.code() == grpc.StatusCode.INTERNAL, error


def unknown_method(stub):
    absent = channel.unary_unary("/t.Kitchen/Absent", lambda order: order.SerializeToString(), pb.Order.FromString)
    error = failure(lambda: absent(pb.Order(), timeout=10))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED and "Echo" in error.details(), error
    elsewhere = channel.unary_unary("/t.Nowhere/Echo", lambda order: order.SerializeToString(), pb.Order.FromString)
    assert failure(lambda: elsewhere(pb.Order(), timeout=10)).code() == grpc.StatusCode.UNIMPLEMENTED


def compressed(stub):
    order = pb.Order(content=b"x" * 100_000)
    error = failure(lambda: stub.Echo(order, timeout=10, compression=grpc.Compression.Gzip))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


def garbage(stub):
    echo = channel.unary_unary("/t.Kitchen/Echo", lambda sent: sent, pb.Order.FromString)
    error = failure(lambda: echo(b"\xff\xff\xff", timeout=10))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error


def open_channel(target, options):
    folder = os.environ.get("KITCHEN_TLS")
    if folder is None:
        return grpc.insecure_channel(target, options=options)
    ca, key, certificate = [open(join(folder, name), "rb").read() for name in ["ca.pem", "client.key", "client.pem"]]
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(ca, key, certificate), options=options)


options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
with open_channel(sys.argv[1], options) as channel:
    kitchen = services.KitchenStub(channel)
    if "cancel" in sys.argv:
        call = kitchen.Wait.future(pb.Order(), timeout=60)
        sys.stdin.readline()
        call.cancel()
        assert call.cancelled()
        print("ok cancel", flush=True)
        sys.stdin.readline()
    else:
        for check in [echo, codes, details, metadata, too_much_metadata, deadline, limits, streams, failing_stream, large_stream,
                      stream_deadline, stream_cancelled, stream_of_garbage, panic,
                      unknown_method, compressed, garbage]:
            check(kitchen)
            print("ok", check.__name__, flush=True)
