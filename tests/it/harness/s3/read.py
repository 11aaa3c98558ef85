"""Reads the whole bucket with Amazon's own client: a line of JSON for each object."""
import base64, json, sys

import boto3
from botocore.config import Config

port, key_id, secret = sys.argv[1:4]
client = boto3.client(
    "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id=key_id, aws_secret_access_key=secret,
    region_name="eu-south-1", config=Config(s3={"addressing_style": "path"}),
)
for entry in client.list_objects_v2(Bucket="plates").get("Contents", []):
    found = client.get_object(Bucket="plates", Key=entry["Key"])
    print(json.dumps({
        "key": entry["Key"], "type": found["ContentType"], "about": found["Metadata"],
        "bytes": base64.b64encode(found["Body"].read()).decode(),
    }))
