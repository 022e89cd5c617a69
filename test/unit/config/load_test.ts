/** From texts to a `Config`: formats, precedence, and what each kind of option accepts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import { parseConfigText } from "../../../src/config/config_file.ts";
import { defaultName } from "../../../src/config/load.ts";
import { buildConfig } from "../../support/config.ts";
import { parseListenSpec } from "../../../src/config/values/listen_spec.ts";

function build(
  flags: Record<string, string | string[]>,
  file?: Record<string, unknown>,
  command: readonly string[] = ["server"],
): Config {
  const flagValues = new Map(
    Object.entries(flags).map(([flag, value]) => [flag, Array.isArray(value) ? value : [value]]),
  );
  const fileValues = file === undefined ? null : parseConfigText(JSON.stringify(file), "b.json");
  return buildConfig({ fileValues, flagValues, command });
}

function refusal(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error;
  }
  assert.fail("nothing was thrown");
}

describe("buildConfig()", () => {
  it("fills in every default", () => {
    const expected: Config = {
      command: ["server"],
      name: "server",
      admin: null,
      adminTokenFile: null,
      adminHost: [],
      probeHealth: null,
      otlp: null,
      otlpIntervalMs: 60_000,
      otlpHeadersFile: null,
      events: [],
      onEvent: null,
      webhook: null,
      webhookSecretFile: null,
      cwd: null,
      envFile: null,
      user: null,
      preset: null,
      restartEpoch: "count",
      group: null,
      umask: null,
      rlimit: [],
      nice: null,
      env: [],
      listen: [],
      backlog: 4096,
      handoff: "auto",
      duplicates: "auto",
      udp: "leave",
      unix: "switch",
      unixShared: false,
      front: [],
      privateSocket: [],
      spread: "random",
      ready: [],
      readyTimeoutMs: 60_000,
      live: [],
      checkIntervalMs: null,
      checkTimeoutMs: 1_000,
      checkEdgeIntervalMs: null,
      checkJitterMs: 0,
      checkInitialJitterMs: 0,
      healthyThreshold: 1,
      unhealthyThreshold: 3,
      checkHost: null,
      checkMethod: "GET",
      checkStatus: null,
      checkRetriableStatus: null,
      checkBody: null,
      checkServiceName: null,
      checkSend: null,
      checkReceive: null,
      order: "auto",
      canary: null,
      rampMs: 0,
      bakeMs: 0,
      hold: false,
      rolling: false,
      rollbackOn: "any",
      ejectAfterMs: 0,
      drain: "auto",
      keepAlive: "leave",
      drainTimeMs: 60_000,
      stopDrainTimeMs: null,
      stopFirstDrainMs: 5_000,
      drainSpreadMs: null,
      drainCall: [],
      drainUndo: [],
      drainCallTimeoutMs: 2_000,
      drainCallStatus: null,
      quietMs: 500,
      stopSignal: null,
      cleanExit: [],
      serverPidfile: null,
      stopTimeMs: 10_000,
      maxGenerations: 4,
      workers: 1,
      shutdownOnly: false,
      minDrainMs: null,
      maxDrainMs: 20_000,
      readyDelayMs: 0,
      graceMs: null,
      signalTo: "process",
      probeListen: null,
      watch: [],
      preFlight: null,
      minFree: null,
      sharedFiles: "warn",
      hook: [],
      hookTimeoutMs: 30_000,
      onCrash: null,
      crashDelayMs: 200,
      crashDelayMaxMs: 30_000,
      crashLimit: 10,
      orphan: "die",
      survive: false,
      takeover: null,
      handoffSocket: null,
      parentShutdownTimeMs: 900_000,
      usr1: "auto",
      stopOn: [],
      output: "capture",
      pidfile: null,
      runtimeDir: null,
      logFormat: "text",
      logLevel: "info",
      logFile: null,
    };
    assert.deepEqual(build({}), expected);
  });

  it("prefers flags to the file and the file to the defaults", () => {
    const config = build(
      { "drain-time": "1s" },
      { drain_time: "2s", stop_time: "3s", name: "from-file" },
    );
    assert.equal(config.drainTimeMs, 1_000);
    assert.equal(config.stopTimeMs, 3_000);
    assert.equal(config.name, "from-file");
    assert.equal(config.quietMs, 500);
  });

  it("waits longer for silence with --shutdown-only, unless told how long", () => {
    assert.equal(build({ "shutdown-only": "" }).quietMs, 2_000);
    assert.equal(build({}, { shutdown_only: true }).quietMs, 2_000);
    assert.equal(build({ "shutdown-only": "", quiet: "500ms" }).quietMs, 500);
    assert.equal(build({}, { shutdown_only: false }).quietMs, 500);
  });

  it("replaces a list of the file as a whole, and numbers the default names anew", () => {
    const config = build({ listen: ["81", "82"] }, { listen: ["web=80"] });
    assert.deepEqual(config.listen, [parseListenSpec("81", 0), parseListenSpec("82", 1)]);
  });

  /** flag or key, value, field, what the field holds */
  const flags: [string, string, keyof Config, unknown][] = [
    ["ready-timeout", "1m30s", "readyTimeoutMs", 90_000],
    ["canary", "2.5%", "canary", 2.5],
    ["canary", "100", "canary", 100],
    ["drain-time", "0", "drainTimeMs", 0],
    ["backlog", "128", "backlog", 128],
    ["max-generations", "2", "maxGenerations", 2],
    ["drain", "quiesce", "drain", "quiesce"],
    ["stop-signal", "quit", "stopSignal", "SIGQUIT"],
    ["stop-signal", "2", "stopSignal", "SIGINT"],
    ["cwd", "/srv/current", "cwd", "/srv/current"],
    ["name", "web-1", "name", "web-1"],
    ["log-level", "debug", "logLevel", "debug"],
  ];
  for (const [flag, text, field, value] of flags) {
    it(`takes --${flag} ${text} for ${field} = ${value}`, () => {
      assert.equal(build({ [flag]: text })[field], value);
    });
  }

  const values: [string, unknown, keyof Config, unknown][] = [
    ["ready_timeout", 5, "readyTimeoutMs", 5_000],
    ["canary", 10, "canary", 10],
    ["canary", "10%", "canary", 10],
    ["ready_timeout", 0.25, "readyTimeoutMs", 250],
    ["ready_timeout", "1m", "readyTimeoutMs", 60_000],
    ["backlog", 128, "backlog", 128],
    ["backlog", "128", "backlog", 128],
    ["stop_signal", 3, "stopSignal", "SIGQUIT"],
    ["listen", "web=80", "listen", [parseListenSpec("web=80", 0)]],
    ["listen", [], "listen", []],
  ];
  for (const [key, raw, field, value] of values) {
    it(`takes ${key} = ${JSON.stringify(raw)} from a file`, () => {
      assert.deepEqual(build({}, { [key]: raw })[field], value);
    });
  }

  const wrongFlags: [string, string, RegExp, RegExp?][] = [
    ["ready-timeout", "5x", /^In --ready-timeout: cannot read duration "5x": unit "x"/, /1m30s/],
    [
      "canary",
      "101%",
      /^In --canary: cannot use "101%": it must be a percentage from 0% to 100%$/,
    ],
    ["canary", "-1", /^In --canary: cannot use "-1": it must be a percentage/, /10% or 2.5%/],
    ["canary", "1.234", /^In --canary: cannot use "1.234": it must be a percentage/],
    ["canary", "a tenth", /^In --canary: cannot use "a tenth": it must be a percentage/],
    ["ready-timeout", "0", /^In --ready-timeout: cannot use "0": it must be at least 1ms$/],
    ["backlog", "many", /^In --backlog: cannot use "many": it must be a whole number from 1 to/],
    ["backlog", "1.5", /it must be a whole number from 1 to 65535$/],
    ["backlog", "", /it must be a whole number/],
    ["max-generations", "1", /^In --max-generations: .* whole number from 2 to 64$/],
    ["drain", "quisce", /it must be one of auto, quiesce, signal$/, /Did you mean quiesce\?/],
    ["stop-signal", "TREM", /^In --stop-signal: cannot read signal "TREM"/, /TERM/],
    ["cwd", "", /^In --cwd: cannot use "": it must be text that is not empty$/],
    ["name", "a/b", /^In --name: cannot use "a\/b": it must be 1 to 63 letters/],
    ["name", "..", /it must be 1 to 63 letters/],
    ["name", "-web", /and not begin with '.' or '-'$/],
    ["name", "x".repeat(64), /it must be 1 to 63 letters/],
    ["listen", "example.com:80", /^In --listen: cannot listen on "example.com:80"/, /address/],
  ];
  for (const [flag, text, message, remedy] of wrongFlags) {
    it(`refuses --${flag} ${JSON.stringify(text.slice(0, 20))}, naming the flag`, () => {
      const error = refusal(() => build({ [flag]: text }));
      assert.match(error.message, message);
      if (remedy !== undefined) assert.match(error.remedy ?? "", remedy);
    });
  }

  const wrongValues: [string, unknown, RegExp][] = [
    ["ready_timeout", true, /^In key "ready_timeout" of b.json: cannot use true: .* a duration$/],
    ["check_status", "ok", /^In key "check_status" of b.json: cannot use "ok": .* not a status/],
    ["min_free", "much", /^In key "min_free" of b.json: cannot read memory size "much"/],
    ["ready_timeout", -1, /cannot read duration "-1": it is negative$/],
    ["backlog", 1.5, /cannot use 1.5: it must be a whole number/],
    ["backlog", null, /cannot use null: it must be a whole number/],
    ["drain", 1, /cannot use 1: it must be one of/],
    ["cwd", {}, /cannot use {}: it must be text$/],
    ["cwd", "a\0b", /it must be text without NUL characters$/],
    ["stop_signal", [], /cannot use \[\]: it must be the name of a signal$/],
    ["listen", [80], /cannot use 80: it must be text$/],
    ["command", "node server.js", /^In key "command" of b.json: .* it must be a list of texts$/],
    ["command", [], /it must be a list of texts$/],
    ["command", ["a", 1], /it must be a list of texts$/],
  ];
  for (const [key, raw, message] of wrongValues) {
    it(`refuses ${key} = ${JSON.stringify(raw)}, naming key and file`, () => {
      const command = key === "command" ? [] : ["server"];
      assert.match(refusal(() => build({}, { [key]: raw }, command)).message, message);
    });
  }

  it("takes the command from the file unless one is given", () => {
    const file = { command: ["node", "/srv/a.js"] };
    assert.deepEqual(build({}, file, []).command, ["node", "/srv/a.js"]);
    assert.equal(build({}, file, []).name, "a");
    assert.deepEqual(build({}, file, ["b"]).command, ["b"]);
  });

  it("refuses to run without a command, and says where to put it", () => {
    const error = refusal(() => build({}, {}, []));
    assert.equal(error.message, "Cannot run: the command of the server is missing");
    assert.match(error.remedy ?? "", /baton run -- PROGRAM/);
  });

  it("applies the rules across options", () => {
    assert.match(refusal(() => build({ handoff: "inherit" })).message, /--handoff inherit/);
  });
});

describe("defaultName()", () => {
  const cases: [string, string][] = [
    ["nginx", "nginx"],
    ["/usr/sbin/nginx -g x", "nginx"],
    ["./server.bin", "server"],
    ["node /srv/app/server.js", "server"],
    ["node --inspect=0 index.mjs", "index"],
    ["node .", "node"],
    ["node src/", "src"],
    ["node -e code", "node"],
    ["python3.11", "python3.11"],
    ["python3 -m http.server", "http.server"],
    ["python3 -m gunicorn app:app", "gunicorn"],
    ["php-fpm8.2 -F", "php-fpm8.2"],
    ["java -jar /opt/shop.jar", "shop"],
    ["java com.example.Main", "com.example.Main"],
    ["deno run https://example.com/a/main.ts", "main"],
    ["env A=1 node web.js", "web"],
    ["./.hidden", "hidden"],
    ["./a+b@c", "a-b-c"],
    ["./+++", "server"],
    [`./${"x".repeat(80)}`, "x".repeat(63)],
  ];
  for (const [line, name] of cases) {
    it(`calls "${line.slice(0, 40)}" ${name.slice(0, 20)}`, () => {
      assert.equal(defaultName(line.split(" ")), name);
      assert.equal(build({ name: defaultName(line.split(" ")) }).name, name);
    });
  }
});
