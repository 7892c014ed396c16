"""A collector of OpenTelemetry: takes spans by OTLP over HTTP, and prints each as a line of JSON.

It reads them with the protocol's own definitions, so that what it prints is what any collector would have understood.
It ends when its standard input does.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

# Of the attributes' values only these kinds are sent.
VALUES = ("string_value", "int_value", "bool_value", "double_value")


def attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs if pair.value.WhichOneof("value") in VALUES}


def told(span, resource):
    return {
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind),
        "trace": span.trace_id.hex(),
        "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "status": Status.StatusCode.Name(span.status.code),
        "said": span.status.message,
        "took": span.end_time_unix_nano - span.start_time_unix_nano,
        "attributes": attributes(span.attributes),
        "service": attributes(resource.attributes).get("service.name"),
    }


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/traces" or self.headers["content-type"] != "application/x-protobuf":
            self.send_error(404)
            return
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    print(json.dumps(told(span, resource.resource)), flush=True)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"ready {server.server_port}", flush=True)
sys.stdin.read()
os._exit(0)
