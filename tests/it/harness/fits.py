"""Whether JSON is as a schema of an OpenAPI document says: fits.py NAME DOCUMENT FILE, where FILE is a list."""

import json
import sys

import jsonschema_rs

name, document_file, file = sys.argv[1:]
document = json.load(open(document_file, encoding="utf-8"))
schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
rows = json.load(open(file, encoding="utf-8"))
known = set(document["components"]["schemas"][name]["properties"])
wrong = 0
for row in rows:
    for error in validator.iter_errors(row):
        wrong += 1
        print(f"{row.get('id')} {row.get('vendor')}: {error.instance_path}: {error.message[:300]}")
    for field in set(row) - known:
        wrong += 1
        print(f"{row.get('id')} {row.get('vendor')}: {field} is not described")
# What must not fit: or this would find nothing.
for field, bad in [("id", "ID"), ("kind", "car"), ("plates", [{}]), ("received_at", "yesterday"), ("routes", None)]:
    if validator.is_valid({**rows[0], field: bad}):
        wrong += 1
        print(f"{field}: {bad} fits")
sys.exit(wrong > 0)
