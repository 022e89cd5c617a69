#!/bin/bash
# CloudEvents 1.0: time is OPTIONAL; if it cannot be determined, "the CloudEvents producer" MAY set it to the current time. A consumer, or a
# gateway between the two, has the event as it was produced, and source + id name it.
# Expected of an SDK that reads an event without time: there is none; and a time with nanoseconds, as Go and Rust write it, is kept.
# Seen: the SDKs for JavaScript (cloudevents 10.0.0, npm) and Python (cloudevents 2.2.0, PyPI: its v1 interface, and core, which replaces it)
# read such an event and give it the time of reading: two readers of one event disagree, "the age of the event" is always zero, and a
# gateway that uses one sends the invented time on as the producer's. JavaScript also cuts a time to milliseconds, core to
# microseconds; v1 keeps all digits.
# Needs npm, node, python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && { npm install --silent --no-audit --no-fund cloudevents@10.0.0 && python3 -m venv v && v/bin/pip -q install cloudevents==2.2.0; } >log 2>&1 ||
  { tail -5 log; exit 2; }
cat >read.js <<'J'
const { HTTP } = require("cloudevents");
console.log(HTTP.toEvent({ headers: { "content-type": "application/cloudevents+json" }, body: process.argv[2] }).time);
J
cat >v1.py <<'P'
import sys
from cloudevents.v1.http import from_json
print(from_json(sys.argv[1]).get_attributes().get("time"))
P
cat >core.py <<'P'
import sys
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
print(from_structured_event(HTTPMessage(headers={"content-type": "application/cloudevents+json"}, body=sys.argv[1].encode())).get_time())
P
EVENT='{"specversion":"1.0","id":"1","source":"/a","type":"t"'
NOW=$(date -u +%Y-%m-%d); bad=0
for reader in 'node read.js' 'v/bin/python v1.py' 'v/bin/python core.py'; do
  without=$($reader "$EVENT}" 2>&1 | tail -1)
  with=$($reader "$EVENT,\"time\":\"2026-01-01T00:00:00.123456789Z\"}" 2>&1 | tail -1)
  echo "$reader: without a time: $without; with 2026-01-01T00:00:00.123456789Z: $with"
  [[ ${without:0:10} == "$NOW" || ${without:0:10} == "$(date -u +%Y-%m-%d)" ]] || bad=1
  case $reader in node*) [ "$with" = 2026-01-01T00:00:00.123Z ] || bad=1 ;; *v1*) [ "$with" = 2026-01-01T00:00:00.123456789Z ] || bad=1 ;; esac
done
exit $bad
