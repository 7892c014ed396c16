"""Asks a risk service about each request, and refuses it or wants stronger proof."""

import json
import uuid
from contextlib import suppress
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.exports.plugin import Description, Need_Http, Problem
from wit_world.exports.review_request import Adjustment_RequireAcr, Verdict, Verdict_Ask, Verdict_Refuse
from wit_world.imports import log, outgoing_handler, secrets, settings
from wit_world.imports.refusals import ScriptError_Settings, ScriptError_Temporary
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.transactions import Transaction
from wit_world.imports.types import (
    ErrorCode_DestinationIpProhibited,
    ErrorCode_HttpRequestDenied,
    Fields,
    IncomingResponse,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    RequestOptions,
    Scheme_Http,
    Scheme_Https,
)

# How long the service may take, in nanoseconds.
PATIENCE = 3_000_000_000
# The most that one write may hand over, by the contract of `wasi:io`.
CHUNK = 4096

SCHEMA = """{
    "type": "object",
    "required": ["url", "key", "step_up_from", "acr", "refuse_from"],
    "properties": {
        "url": { "type": "string" },
        "key": { "type": "string", "writeOnly": true },
        "step_up_from": { "type": "number" },
        "acr": { "type": "string" },
        "refuse_from": { "type": "number" }
    },
    "additionalProperties": false
}"""


class Plugin(exports.Plugin):
    def describe(self) -> Description:
        return Description(
            name="risk-python",
            version="1.0.0",
            summary="Asks a risk service about each request, and refuses it or wants stronger proof.",
            channels=[],
            needs=[Need_Http("*")],
            settings_schema=SCHEMA,
        )

    def validate_settings(self, settings: str) -> None:
        if not json.loads(settings)["url"].startswith(("https://", "http://127.0.0.1")):
            raise Err([Problem("/url", "must begin with https://: what is sent names a person")])


class ReviewRequest(exports.ReviewRequest):
    def review(self, tx: Transaction) -> Verdict:
        given = json.loads(settings.all())
        question = {
            # Random bytes come from the host, in each call new ones.
            "id": str(uuid.uuid4()),
            "client": tx.client_id(),
            "user": tx.user_id(),
            "context": json.loads(tx.request_context() or "null"),
        }
        status, answer = post(given["url"], json.dumps(question).encode())
        if status != 200:
            raise Err(ScriptError_Temporary(f"the risk service answered {status}"))
        # Whatever is wrong with the answer is an exception, and with an exception nobody is asked.
        score = float(json.loads(answer)["score"])
        log.write(log.Level.INFO, f"{tx.id()}: {score}")
        if score >= given["refuse_from"]:
            return Verdict_Refuse(f"its risk is {score}")
        if score >= given["step_up_from"]:
            return Verdict_Ask([Adjustment_RequireAcr(given["acr"])])
        return Verdict_Ask([])


def post(url: str, body: bytes) -> tuple[int, bytes]:
    """Sends JSON with its signature. What is opened is closed, so that the instance may serve another call."""
    to = urlsplit(url)
    signature = secrets.hmac_sha256("/key", body)
    headers = [
        ("content-type", b"application/json"),
        ("content-length", str(len(body)).encode()),
        ("x-signature", f"sha256={signature.hex()}".encode()),
    ]
    request = OutgoingRequest(Fields.from_list(headers))
    request.set_method(Method_Post())
    request.set_scheme(Scheme_Https() if to.scheme == "https" else Scheme_Http())
    request.set_authority(to.netloc)
    request.set_path_with_query(to._replace(scheme="", netloc="", fragment="").geturl() or "/")
    options = RequestOptions()
    options.set_first_byte_timeout(PATIENCE)
    outgoing = request.body()
    with outgoing_handler.handle(request, options) as future:
        # When nobody takes it, the answer says why.
        with suppress(Err):
            with outgoing.write() as stream:
                for start in range(0, len(body), CHUNK):
                    stream.blocking_write_and_flush(body[start : start + CHUNK])
            OutgoingBody.finish(outgoing, None)
        with future.subscribe() as ready:
            ready.block()
        match future.get():
            case Ok(Ok(response)):
                with response:
                    return response.status(), read(response)
            case Ok(Err(ErrorCode_HttpRequestDenied() | ErrorCode_DestinationIpProhibited())):
                raise Err(ScriptError_Settings(f"not allowed to send to {to.scheme}://{to.netloc}"))
            case failed:
                raise Err(ScriptError_Temporary(f"the risk service cannot be reached: {failed}"))


def read(response: IncomingResponse) -> bytes:
    """The whole body: the host ends one that is too long."""
    whole = b""
    with response.consume() as body, body.stream() as stream:
        while True:
            try:
                whole += stream.blocking_read(CHUNK)
            except Err as end:
                if isinstance(end.value, StreamError_Closed):
                    return whole
                raise Err(ScriptError_Temporary("the risk service broke off"))
