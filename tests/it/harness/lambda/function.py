"""A Lambda function as people write one for Stream's webhooks: it sees what API Gateway would hand it, and nothing else."""
import base64
import email.parser
import email.policy
import json
import urllib.parse


def handler(event, context):
    content_type = event["headers"]["content-type"]
    body = base64.b64decode(event["body"], validate=True)
    files = {}
    if content_type.startswith("multipart/form-data"):
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        document = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        for part in document.iter_parts():
            name = part.get_param("name", header="content-disposition")
            if name == "json":
                data = json.loads(part.get_payload(decode=True))
            else:
                files[name] = base64.b64encode(part.get_payload(decode=True)).decode()
    else:
        data = json.loads(urllib.parse.parse_qs(body.decode())["json"][0])
    results = data["data"]["results"]
    seen = {"method": event["requestContext"]["http"]["method"], "camera": data["data"]["camera_id"],
            "plates": [result["plate"] for result in results], "files": files}
    if "fails" in data["data"]["camera_id"]:
        raise KeyError("no such camera")
    status = {"refused": 422, "busy-inside": 503}.get(data["data"]["camera_id"], 200)
    return {"statusCode": status, "body": json.dumps(seen)}
