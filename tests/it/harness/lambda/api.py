"""The Invoke API of AWS Lambda, as far as tests need it: it checks the signature and runs `function.py` with the payload.

Every call is written to the folder as `call-N.json`: what came, what was answered. The names of functions say how the API
behaves: the first call to `throttled` and `crashing` fails, `small` takes 20 000 bytes, `another-account` may not be called."""
import datetime, hashlib, hmac, json, os, sys, urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import function

folder, key_id, secret, token = sys.argv[1:5]
REGION = "eu-south-1"
NAMES = ["read-plates", "throttled", "crashing", "small", "another-account"]
NAMES += [f"arn:aws:lambda:{REGION}:123456789012:function:{name}:live" for name in NAMES]
calls = {}


def sign(method, path, query, headers, names, body, moment):
    """Signature Version 4, written from its description: none of the code that camhook signs with."""
    digest = lambda data: hashlib.sha256(data).hexdigest()
    # Every service but S3 encodes the path, as it was sent, once more.
    path = urllib.parse.quote(path, safe="/-_.~")
    head = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in names)
    request = "\n".join([method, path, query, head, ";".join(names), digest(body)])
    scope = f"{moment[:8]}/{REGION}/lambda/aws4_request"
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest(request.encode())}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), scope


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        status, headers, answer, seen = self.answer(body)
        calls["all"] = calls.get("all", 0) + 1
        file = f"{folder}/call-{calls['all']}.json"
        with open(file + ".part", "w") as out:
            json.dump({"path": self.path, "status": status, "size": len(body), "type": self.headers["x-amz-invocation-type"],
                       "headers": {name.lower(): value for name, value in self.headers.items()}, "seen": seen}, out)
        os.rename(file + ".part", file)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def answer(self, body):
        def refused(status, kind, message):
            headers = {"x-amzn-errortype": kind, "content-type": "application/json"}
            return status, headers, json.dumps({"Type": "User", "message": message}).encode(), None

        headers = {name.lower(): value for name, value in self.headers.items()}
        path, _, query = self.path.partition("?")
        parts = dict(part.strip().split("=", 1) for part in headers.get("authorization", "").removeprefix("AWS4-HMAC-SHA256").split(",") if "=" in part)
        if not parts:
            return refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        moment = headers.get("x-amz-date", "")
        names = parts["SignedHeaders"].split(";")
        signature, scope = sign(self.command, path, query, headers, names, body, moment)
        if parts["Credential"].split("/", 1)[0] != key_id or headers.get("x-amz-security-token", "") != token:
            return refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        if parts["Credential"].split("/", 1)[1] != scope or not {"host", "x-amz-date"} <= set(names):
            return refused(403, "InvalidSignatureException", "Credential should be scoped to a valid region.")
        if parts["Signature"] != signature:
            return refused(403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
        told = datetime.datetime.strptime(moment + "+0000", "%Y%m%dT%H%M%SZ%z")
        if abs((datetime.datetime.now(datetime.timezone.utc) - told).total_seconds()) > 300:
            return refused(403, "InvalidSignatureException", f"Signature expired: {moment} is now earlier than the limit")

        before, name = path.split("/functions/", 1)
        name = urllib.parse.unquote(name.removesuffix("/invocations"))
        if before != "/2015-03-31" or name not in NAMES:
            return refused(404, "ResourceNotFoundException", f"Function not found: {name}")
        if name == "another-account":
            return refused(403, "AccessDeniedException", "User: camhook is not authorized to perform: lambda:InvokeFunction")
        if self.headers["x-amz-invocation-type"] == "DryRun":
            return 204, {}, b"", None
        if len(body) > (20_000 if name == "small" else 6_291_456):
            return refused(413, "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation")
        calls[name] = calls.get(name, 0) + 1
        if name == "throttled" and calls[name] == 1:
            return refused(429, "TooManyRequestsException", "Rate Exceeded.")
        try:
            if name == "crashing" and calls[name] == 1:
                raise RuntimeError("out of memory")
            result = function.handler(json.loads(body), None)
        except Exception as error:
            told = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []})
            return 200, {"x-amz-function-error": "Unhandled"}, told.encode(), None
        return 200, {"x-amz-executed-version": "$LATEST"}, json.dumps(result).encode(), result

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
with open(f"{folder}/told.part", "w") as file:
    json.dump({"port": server.server_port}, file)
os.rename(f"{folder}/told.part", f"{folder}/told")
server.serve_forever()
