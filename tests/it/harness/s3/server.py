"""A store that speaks S3 (moto) with one bucket, `plates`, and one key, which it writes down beside its port."""
import json, os, sys

folder = sys.argv[1]
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "0"  # every request has to be signed
os.environ["MOTO_ALLOW_NONEXISTENT_REGION"] = "true"

from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ACCOUNT = "123456789012"
iam = iam_backends[ACCOUNT]["aws"]
iam.create_user("us-east-1", "camhook")
allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
iam.put_user_policy("camhook", "all", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
key = iam.create_access_key("camhook")
s3_backends[ACCOUNT]["aws"].create_bucket("plates", "eu-south-1")

server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
with open(f"{folder}/told.part", "w") as file:
    json.dump({"port": server.server_port, "id": key.access_key_id, "secret": key.secret_access_key}, file)
os.rename(f"{folder}/told.part", f"{folder}/told")
server.serve_forever()
