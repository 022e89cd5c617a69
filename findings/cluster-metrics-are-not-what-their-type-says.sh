#!/bin/bash
# Expected of the metrics of a cluster of workers: the content type that the registry names is that of the text that it gives.
# Seen: prom-client 15.1.3, told to write OpenMetrics in the primary and in every worker, says `application/openmetrics-text` and gives
# the older text format: no `# EOF`, and the counter's family has its suffix. A scraper that believes the type refuses all of it, as
# prometheus_client 0.23.1 does, the reference parser. A server that is not a cluster is right.
# So a service whose workers are one Node cluster must offer the old format only.
# Needs node, npm, python3 with venv, and PyPI. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT; cd "$T" || exit 2
npm install --silent --no-audit --no-fund prom-client@15.1.3 >/dev/null || exit 2
python3 -m venv v && v/bin/pip -q install prometheus_client==0.23.1 || exit 2
cat >t.mjs <<'A'
import cluster from "node:cluster";
import client from "prom-client";
client.register.setContentType(client.openMetricsContentType);
const all = new client.AggregatorRegistry(client.openMetricsContentType);
if (cluster.isPrimary) {
  cluster.fork();
  cluster.on("message", async (worker, message) => {
    if (message !== "up") return;
    console.error(all.contentType);
    console.log((await all.clusterMetrics()).trimEnd());
    worker.kill();
  });
} else {
  new client.Counter({ name: "jobs_total", help: "Jobs" }).inc(3);
  process.send("up");
}
A
node t.mjs >text 2>type || exit 2
cat type text
v/bin/python - <<'A' 2>&1 | tee verdict
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
try:
    print(len(list(parse(open("text").read()))), "families")
except ValueError as error:
    print("refused:", error)
A
grep -q '^application/openmetrics-text' type && ! grep -q '# EOF' text && grep -q '^refused: ' verdict
