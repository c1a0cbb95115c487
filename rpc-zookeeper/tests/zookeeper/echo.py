"""A server of gRPC that has never heard of us: `echo.py` listens, says where, and ends with its input.

Answers each message of /demo.Echo/Say with the message.
"""

import sys
from concurrent import futures

import grpc


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/demo.Echo/Say":
            return grpc.unary_unary_rpc_method_handler(lambda message, context: message)
        return None


server = grpc.server(futures.ThreadPoolExecutor(max_workers=2), handlers=[Echo()])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(None)
