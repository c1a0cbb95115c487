"""A gRPC server as most of the world has it: the kitchen, for a client that is written in Rust.

Prints its port, then a line for every call of Wait that begins and ends. A line on standard input makes it leave in
peace; the end of standard input ends it.

Over TLS, for clients with certificates, where KITCHEN_TLS names a folder with ca.pem, server.pem and server.key.
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from os.path import dirname, join

import grpc
from google.protobuf.any_pb2 import Any

sys.path.insert(0, dirname(__file__))
pb, services = grpc.protos_and_services("kitchen.proto")

CODES = {code.value[0]: code for code in grpc.StatusCode}


class Kitchen(services.KitchenServicer):
    def Echo(self, order, context):
        if order.number == "panic":
            raise RuntimeError("as asked")
        context.send_initial_metadata((("kitchen", "open"), ("seal-bin", b"\x00\xff")))
        context.set_trailing_metadata((("bill", "later"),))
        return order

    def Fail(self, order, context):
        detail = Any()
        detail.Pack(order)
        status = pb.RpcStatus(code=order.count, message=order.number, details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(CODES[order.count], order.number)

    def Inspect(self, order, context):
        lines = ["%s: %s" % (key, list(value) if key.endswith("-bin") else value) for key, value in context.invocation_metadata()]
        remaining = context.time_remaining()
        lines.append("remaining=%d" % (remaining * 1000 if remaining is not None and remaining < 1e6 else 0))
        return pb.Seen(lines=lines)

    def Wait(self, order, context):
        ended = threading.Event()
        context.add_callback(ended.set)
        print("waiting", flush=True)
        ended.wait()
        print("cancelled", flush=True)
        return order

    def Count(self, order, context):
        ended = threading.Event()
        if order.number == "hang":
            # Before the first item: grpcio does not come back for the next one when the caller has left by then.
            context.add_callback(lambda: (print("cancelled after", order.count, flush=True), ended.set()))
        for number in range(order.count):
            yield pb.Order(count=number, content=order.content)
        if order.number == "hang":
            ended.wait()
        if order.number == "fail":
            context.abort(grpc.StatusCode.NOT_FOUND, "at the end")

    def Sum(self, orders, context):
        return pb.Order(number="sum", count=sum(order.count for order in orders))

    def Chat(self, orders, context):
        yield from orders


server = grpc.server(ThreadPoolExecutor(8))
services.add_KitchenServicer_to_server(Kitchen(), server)
target = sys.argv[1]
folder = os.environ.get("KITCHEN_TLS")
if folder is None:
    port = server.add_insecure_port(target)
else:
    ca, key, certificate = [open(join(folder, name), "rb").read() for name in ["ca.pem", "server.key", "server.pem"]]
    port = server.add_secure_port(target, grpc.ssl_server_credentials([(key, certificate)], ca, True))
server.start()
print("listening", port, flush=True)
if sys.stdin.readline():
    server.stop(10).wait()
    print("left", flush=True)
    sys.stdin.readline()
os._exit(0)
