/** The promise: --otlp sends metrics, and a trace of each reload, and never disturbs a service. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, readFileSync, renameSync } from "node:fs";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { certificate } from "../support/certificate.ts";
import { inFlight, server } from "../support/controlled.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally } from "../support/load.ts";
import { alive, killTree } from "../support/proc.ts";
import { OtlpCollector } from "../support/otlp_collector.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const INTERVAL = "200ms";

describe("--otlp", () => {
  test("sends metrics at intervals, and each reload as a trace with its phases", TEST, async () => {
    await using collector = new OtlpCollector();
    const url = await collector.listen();
    using dir = tempDir("otlp");
    const headers = dir.write("headers", "# of an account\nX-Api-Key: 1234\n");
    chmodSync(headers, 0o600);
    const plain = server(await freePort());
    await using baton = await startBaton({
      ...plain,
      flags: ["--otlp", url, "--otlp-interval", INTERVAL, "--otlp-headers-file", headers],
      env: {
        ...plain.env,
        // Of the server, which may report to another place, with another key.
        OTEL_EXPORTER_OTLP_HEADERS: "x-of-the-server=secret",
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
        OTEL_RESOURCE_ATTRIBUTES: "of.the.server=1",
      },
    });
    assert.equal((await baton.reload()).result, "ok");
    const gone = await waitUntil(
      () => collector.spans.find(({ name }) => name === "stopping"),
      { what: "the old generation's way out was sent" },
    );
    const spans = collector.spans;
    const [root, ...more] = spans.filter(({ parent }) => parent === "");
    assert.ok(root !== undefined && more.length === 0, inspect(spans));
    assert.equal(root.name, "reload");
    assert.equal(root.error, null);
    assert.deepEqual(root.attributes, {
      "baton.generation": "1",
      "baton.generation.replaced": "0",
      "baton.reload.order": "start-first",
      "baton.reload.result": "ok",
    });
    const names = spans.filter(({ parent }) => parent === root.id).map(({ name }) => name);
    assert.deepEqual(names.toSorted(), ["draining", "probing", "starting", "stopping"]);
    for (const { name, trace, startNs, endNs } of spans) {
      assert.equal(trace, root.trace);
      assert.ok(startNs <= endNs && startNs >= root.startNs, name);
    }
    const starting = spans.find(({ name }) => name === "starting");
    assert.equal(starting?.startNs, root.startNs);
    assert.equal(gone.attributes["baton.generation"], "0");

    const reloads = await waitUntil(
      () => {
        const found = collector.metrics.find(({ name }) => name === "baton.reloads");
        return found?.values["ok"] === 1 && found;
      },
      { what: "the reload was counted" },
    );
    assert.equal(reloads.kind, "sum");
    const kinds = new Map(collector.metrics.map(({ name, kind, unit }) => [name, [kind, unit]]));
    assert.deepEqual(kinds.get("baton.gate"), ["histogram", "s"]);
    assert.deepEqual(kinds.get("process.memory.usage"), ["gauge", "By"]);
    const { "service.name": name, "service.instance.id": id, "process.pid": pid } =
      collector.resource;
    assert.deepEqual([name, pid], ["web", String(baton.pid)]);
    assert.match(id ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(collector.resource["of.the.server"], undefined);
    for (const each of collector.headers) {
      assert.equal(each["x-api-key"], "1234");
      assert.equal(each["x-of-the-server"], undefined);
      assert.equal(each["content-type"], "application/x-protobuf");
    }
    assert.deepEqual([...new Set(collector.paths)].toSorted(), ["/v1/metrics", "/v1/traces"]);
  });

  test("a collector is trusted whose authority the environment names", TEST, async () => {
    using dir = tempDir();
    const { TLS_KEY, TLS_CERT } = certificate(dir);
    const read = (path: string) => readFileSync(path, "utf8");
    await using collector = new OtlpCollector({ key: read(TLS_KEY), cert: read(TLS_CERT) });
    const authority = dir.join("authority.pem");
    const plain = server(await freePort());
    await using baton = await startBaton({
      ...plain,
      flags: ["--otlp", await collector.listen(), "--otlp-interval", INTERVAL],
      env: { ...plain.env, SSL_CERT_FILE: authority },
    });
    await waitUntil(() => /cannot send metrics to .*authority\.pem/.test(baton.stderr), {
      what: "baton says which file it lacks",
    });
    assert.equal(collector.paths.length, 0);
    // It is looked for again.
    copyFileSync(TLS_CERT, authority);
    await waitUntil(() => collector.metrics.length > 0, { what: `metrics\n${baton.stderr}` });
    assert.equal((await baton.reload()).result, "ok");
    await waitUntil(() => collector.spans.length > 0, { what: `spans\n${baton.stderr}` });
  });

  test("a collector that refuses is reported once, and disturbs nothing", TEST, async () => {
    await using collector = new OtlpCollector();
    collector.status = 403;
    const port = await freePort();
    await using baton = await startBaton({
      ...server(port),
      flags: ["--otlp", await collector.listen(), "--otlp-interval", INTERVAL],
    });
    const load = await inFlight(baton, port, 500);
    assert.equal((await baton.reload()).result, "ok");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    await waitUntil(
      () => collector.paths.filter((path) => path.endsWith("/v1/metrics")).length > 3,
      {
        what: "baton tries again",
      },
    );
    const lines = baton.stderr.split("\n").filter((line) => line.includes("cannot send metrics"));
    assert.equal(lines.length, 1, baton.stderr);
    assert.match(lines[0] ?? "", /: it answers 403 Forbidden; the next ones/);
    collector.status = 200;
    await waitUntil(() => baton.stderr.includes("metrics are sent to"), { what: "it is accepted" });
  });

  test("headers that are gone end no upgrade in place, and start no service", TEST, async () => {
    using dir = tempDir();
    await using collector = new OtlpCollector();
    const file = dir.write("headers", "x-key: a\n");
    chmodSync(file, 0o600);
    const url = await collector.listen();
    const flags = ["--otlp", url, "--otlp-interval", INTERVAL, "--otlp-headers-file", file];
    await using baton = await startBaton({ ...server(await freePort()), flags });
    renameSync(file, `${file}.old`);
    assert.equal((await baton.cli("upgrade", "--in-place")).code, 0, baton.stderr);
    assert.match(
      baton.stderr,
      /error: continuing without it: Cannot use the headers in \S+: ENOENT/,
    );
    renameSync(`${file}.old`, file);
    const count = collector.headers.length;
    await waitUntil(() => collector.headers.length > count, { what: "it is read again" });
    assert.equal(collector.headers.at(-1)?.["x-key"], "a");
    const words = [...batonCommand(), "run", "--no-config", "--runtime-dir", dir.path];
    const { code, stderr } = await runCommand([
      ...words,
      ...flags.with(-1, `${file}.gone`),
      "--",
      "true",
    ]);
    assert.deepEqual([code, stderr.split("\n").length], [64, 3], stderr);
  });

  test(
    "the next baton sends, as the same instance, and the one before does not",
    TEST,
    async () => {
      await using collector = new OtlpCollector();
      await using baton = await startBaton({
        ...server(await freePort()),
        flags: ["--otlp", await collector.listen(), "--otlp-interval", INTERVAL],
      });
      await waitUntil(() => collector.metrics.length > 0, { what: "metrics were sent" });
      const { "service.instance.id": id, "process.pid": first } = collector.resource;
      let pid = baton.pid;
      try {
        for (const how of [["--in-place"], []]) {
          const { code, stderr } = await baton.cli("upgrade", ...how);
          assert.equal(code, 0, stderr);
          pid = (await baton.status()).pid;
          collector.metrics = [];
          await waitUntil(
            () => collector.metrics.length > 0 && collector.resource["process.pid"] === String(pid),
            { what: `the baton after ${how} sends metrics` },
          );
          assert.equal(collector.resource["service.instance.id"], id);
          collector.spans.length = 0;
          assert.equal((await baton.reload()).result, "ok");
          await waitUntil(() => collector.spans.some(({ name }) => name === "reload"), {
            what: `the baton after ${how} sends traces`,
          });
        }
        assert.notEqual(String(pid), first);
      } finally {
        await baton.cli("stop");
        if (pid !== baton.pid && alive(pid)) killTree(pid);
      }
    },
  );
});
