#!/bin/bash
# CloudEvents over HTTP: the same event travels in structured mode (all of it JSON) or in binary mode (attributes in headers, data in the body,
# as datacontenttype says). Bridges and gateways read one and write the other by their language's SDK.
# Expected: data stays what it is: the string "text" of type application/json is "text", with its quotes, in the body (JSON event format, 3.1),
# and 123 of type text/plain is 123.
# Seen: the SDK for JavaScript (cloudevents 10.0.0, npm) and the one for Python (cloudevents 2.2.0, PyPI, its new interface, core) write the JSON
# string without its quotes: the body is no JSON any more, and "123" is a number for its reader. Python's v1 interface does that right, and
# writes plain text with quotes that were not there. Objects, which all examples have, survive all three.
# Needs npm, node, python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && { npm install --silent --no-audit --no-fund cloudevents@10.0.0 && python3 -m venv v && v/bin/pip -q install cloudevents==2.2.0; } >log 2>&1 ||
  { tail -5 log; exit 2; }
cat >relay.js <<'J'
const { HTTP } = require("cloudevents");
const event = HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body: process.argv[2] });
console.log(HTTP.binary(event).body);
J
cat >v1.py <<'P'
import sys, warnings
warnings.simplefilter("ignore")
from cloudevents.v1.conversion import to_binary
from cloudevents.v1.http import from_json
print(to_binary(from_json(sys.argv[1]), None)[1].decode())
P
cat >core.py <<'P'
import sys
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event, to_binary_event
event = HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=sys.argv[1].encode())
print(to_binary_event(from_structured_event(event)).body.decode())
P
bad=0
check() { # TYPE, data as JSON, what is written by JavaScript, by Python's core, and by its v1
  local event="{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/a\",\"type\":\"t\",\"datacontenttype\":\"$1\",\"data\":$2}" js py v1
  js=$(node relay.js "$event" 2>&1 | tail -1); py=$(v/bin/python core.py "$event" 2>&1 | tail -1)
  v1=$(v/bin/python v1.py "$event" 2>&1 | tail -1)
  echo "$1, $2: JavaScript sends $js, Python (core) $py, Python (v1) $v1"
  [ "$js" = "$3" ] && [ "$py" = "$4" ] && [ "$v1" = "$5" ] || bad=1
}
check application/json '"text"' 'text' 'text' '"text"'
check application/json '"123"' '123' '123' '"123"'
check text/plain '"123"' '123' '123' '"123"'
check application/json '{"a":1}' '{"a":1}' '{"a": 1}' '{"a": 1}'
exit $bad
