/** The option table against the interface that was agreed on. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OPTION_GROUPS } from "../../../src/config/option_types.ts";
import { fileKey, OPTIONS } from "../../../src/config/options.ts";

describe("OPTIONS", () => {
  /** flag, field, type, default */
  const agreed: [string, string, string, unknown][] = [
    ["name", "name", "string", null],
    ["cwd", "cwd", "string", null],
    ["env-file", "envFile", "string", null],
    ["runtime-dir", "runtimeDir", "string", null],
    ["pidfile", "pidfile", "string", null],
    ["listen", "listen", "list", []],
    ["backlog", "backlog", "int", 4096],
    ["handoff", "handoff", "enum", "auto"],
    ["ready", "ready", "checks", []],
    ["ready-timeout", "readyTimeoutMs", "duration", 60_000],
    ["live", "live", "live checks", []],
    ["check-interval", "checkIntervalMs", "duration", null],
    ["check-timeout", "checkTimeoutMs", "duration", 1_000],
    ["check-edge-interval", "checkEdgeIntervalMs", "duration", null],
    ["check-jitter", "checkJitterMs", "duration", 0],
    ["check-initial-jitter", "checkInitialJitterMs", "duration", 0],
    ["healthy-threshold", "healthyThreshold", "int", 1],
    ["unhealthy-threshold", "unhealthyThreshold", "int", 3],
    ["check-host", "checkHost", "string", null],
    ["check-method", "checkMethod", "enum", "GET"],
    ["check-status", "checkStatus", "string", null],
    ["check-retriable-status", "checkRetriableStatus", "string", null],
    ["check-body", "checkBody", "string", null],
    ["check-service-name", "checkServiceName", "string", null],
    ["check-send", "checkSend", "string", null],
    ["check-receive", "checkReceive", "string", null],
    ["canary", "canary", "percent", null],
    ["ramp", "rampMs", "duration", 0],
    ["bake", "bakeMs", "duration", 0],
    ["hold", "hold", "flag", false],
    ["rollback-on", "rollbackOn", "enum", "any"],
    ["eject-after", "ejectAfterMs", "duration", 0],
    ["drain", "drain", "enum", "auto"],
    ["drain-time", "drainTimeMs", "duration", 60_000],
    ["drain-spread", "drainSpreadMs", "duration", null],
    ["quiet", "quietMs", "duration", 500],
    ["stop-signal", "stopSignal", "signal", null],
    ["stop-time", "stopTimeMs", "duration", 10_000],
    ["max-generations", "maxGenerations", "int", 4],
    ["shutdown-only", "shutdownOnly", "flag", false],
    ["min-drain", "minDrainMs", "duration", null],
    ["max-drain", "maxDrainMs", "duration", 20_000],
    ["ready-delay", "readyDelayMs", "duration", 0],
    ["grace", "graceMs", "duration", null],
    ["signal-to", "signalTo", "enum", "process"],
    ["probe-listen", "probeListen", "string", null],
    ["watch", "watch", "paths", []],
    ["keep-alive", "keepAlive", "enum", "leave"],
    ["pre-flight", "preFlight", "string", null],
    ["min-free", "minFree", "string", null],
    ["hook", "hook", "hooks", []],
    ["hook-timeout", "hookTimeoutMs", "duration", 30_000],
    ["on-crash", "onCrash", "enum", null],
    ["crash-delay", "crashDelayMs", "duration", 200],
    ["crash-delay-max", "crashDelayMaxMs", "duration", 30_000],
    ["crash-limit", "crashLimit", "int", 10],
    ["orphan", "orphan", "enum", "die"],
    ["survive", "survive", "flag", false],
    ["takeover", "takeover", "string", null],
    ["handoff-socket", "handoffSocket", "string", null],
    ["parent-shutdown-time", "parentShutdownTimeMs", "duration", 900_000],
    ["usr1", "usr1", "enum", "auto"],
    ["stop-on", "stopOn", "signals", []],
    ["output", "output", "enum", "capture"],
    ["log-format", "logFormat", "enum", "text"],
    ["log-level", "logLevel", "enum", "info"],
    ["log-file", "logFile", "string", null],
  ];

  it("holds the agreed flags, fields, types and defaults", () => {
    const actual = OPTIONS.map((option) => [
      option.flag,
      option.field,
      option.type,
      option.default,
    ]);
    assert.deepEqual(actual, agreed);
  });

  it("gives each option a field named after its flag, with the unit of durations", () => {
    for (const { flag, field, type } of OPTIONS) {
      const camel = flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
      assert.equal(field, type === "duration" ? `${camel}Ms` : camel);
    }
  });

  it("gives each option a group, a placeholder, and help that ends with a full stop", () => {
    for (const { flag, group, placeholder, help, type } of OPTIONS) {
      assert.ok(OPTION_GROUPS.includes(group), flag);
      assert.equal(placeholder === null, type === "flag", flag);
      assert.match(help, /^\S.*\.$/, flag);
      assert.doesNotMatch(help, / {2}/, flag);
    }
  });

  it("keeps every default inside the limits of its option", () => {
    for (const option of OPTIONS) {
      if (option.type === "enum" && option.default !== null) {
        assert.ok(option.values.includes(option.default), option.flag);
      }
      if (option.type === "int") {
        assert.ok(option.default >= option.min && option.default <= option.max, option.flag);
      }
      if (option.type === "duration" && option.default !== null) {
        assert.ok(option.default >= option.minMs && option.default <= option.maxMs, option.flag);
      }
    }
  });
});

describe("fileKey()", () => {
  it("writes a flag in snake case", () => {
    assert.equal(fileKey("ready-timeout"), "ready_timeout");
    assert.equal(fileKey("name"), "name");
  });
});
