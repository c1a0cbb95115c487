"""grpcio calls a service that is made for tonic and mounted on a server of this framework; prints a line per check."""

import sys
from os.path import dirname

import grpc

sys.path.insert(0, dirname(__file__))
pb, services = grpc.protos_and_services("greeter.proto")


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call did not fail")


def check_failure(error):
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "손님이 없다: 100%"), error
    trailers = dict(error.trailing_metadata())
    assert trailers["asked"] == "twice", trailers
    assert trailers["grpc-status-details-bin"] == b"\x00\xff", trailers


with grpc.insecure_channel(sys.argv[1]) as channel:
    greeter = services.GreeterStub(channel)

    reply, call = greeter.Hello.with_call(pb.Note(text="hello", number=7), timeout=20, metadata=(("tenant", "seoul"),))
    assert reply == pb.Note(text="hello", number=7), reply
    assert dict(call.initial_metadata())["tenant"] == "seoul", call.initial_metadata()
    print("ok hello")

    assert [note.number for note in greeter.Count(pb.Note(number=5000), timeout=60)] == list(range(5000))
    print("ok count")

    assert greeter.Sum((pb.Note(number=n) for n in range(101)), timeout=20).number == 5050
    print("ok sum")

    sent = [pb.Note(text="x" * (n * 997 % 70_000), number=n) for n in range(100)]
    assert list(greeter.Chat(iter(sent), timeout=60)) == sent
    print("ok chat")

    check_failure(failure(lambda: greeter.Hello(pb.Note(text="fail"), timeout=20)))
    check_failure(failure(lambda: list(greeter.Count(pb.Note(text="fail", number=3), timeout=20))))
    print("ok failures")

    # What it does not take is its own to say, and it says what it takes.
    error = failure(lambda: greeter.Hello(pb.Note(text="x" * 10_000), timeout=20, compression=grpc.Compression.Gzip))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    print("ok compressed")
