#!/bin/bash
# Expected of a metrics library that writes two text formats: a registry that was written in one of them is the same afterwards.
# Who scrapes what is chosen by the Accept header, so both may be asked for in turn, by two Prometheus servers for example.
# Seen: prom-client 15.1.3 renames the counters of a registry for good when it writes OpenMetrics. After one such scrape the text of
# Prometheus has `jobs 3` where it had `jobs_total 3`: the series ends there, alerts on it fall silent, and no error is shown.
# baton makes its registry anew for each scrape (src/metrics/exposition.ts, "keeps the names").
# Needs node and npm. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT; cd "$T" || exit 2
npm install --silent --no-audit --no-fund prom-client@15.1.3 >/dev/null || exit 2
cat >t.mjs <<'A'
import client from "prom-client";
const register = new client.Registry();
new client.Counter({ name: "jobs_total", help: "Jobs", registers: [register] }).inc(3);
const write = async (type) => {
  register.setContentType(type);
  return (await register.metrics()).split("\n").filter((line) => /^jobs/.test(line)).join(" ");
};
console.log("before:", await write(client.prometheusContentType));
console.log("OpenMetrics:", await write(client.openMetricsContentType));
console.log("after:", await write(client.prometheusContentType));
A
node t.mjs | tee out
grep -q '^before: jobs_total 3$' out && grep -q '^after: jobs 3$' out
