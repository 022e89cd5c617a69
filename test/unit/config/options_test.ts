/** The option table against the interface that was agreed on. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultText, fileKey, OPTION_GROUPS, OPTIONS } from "../../../src/config/options.ts";

describe("OPTIONS", () => {
  /** flag, field, placeholder, default; in the order of the documentation */
  const agreed: [string, string, string | null, unknown][] = [
    ["name", "name", "NAME", null],
    ["cwd", "cwd", "DIR", null],
    ["env-file", "envFile", "FILE", null],
    ["preset", "preset", "PROGRAM", null],
    ["restart-epoch", "restartEpoch", "count|0", "count"],
    ["workers", "workers", "N|auto", 1],
    ["runtime-dir", "runtimeDir", "DIR", null],
    ["pidfile", "pidfile", "FILE", null],
    ["server-pidfile", "serverPidfile", "FILE", null],
    ["user", "user", "USER", null],
    ["group", "group", "GROUP", null],
    ["umask", "umask", "MODE", null],
    ["rlimit", "rlimit", "NAME=SOFT[:HARD]", []],
    ["nice", "nice", "N", null],
    ["env", "env", "NAME=VALUE", []],
    ["listen", "listen", "[NAME=]ADDR:PORT", []],
    ["backlog", "backlog", "N", 4096],
    ["handoff", "handoff", "auto|adopt|inherit", "auto"],
    ["duplicates", "duplicates", "auto|getfd|socket-trap|at-bind", "auto"],
    ["udp", "udp", "leave|switch", "leave"],
    ["unix", "unix", "switch|leave", "switch"],
    ["unix-shared", "unixShared", null, false],
    ["front", "front", "eds:FILE[,SETTING...]", []],
    ["private-socket", "privateSocket", "@NAME", []],
    ["spread", "spread", "random|least|cpu", "random"],
    ["rolling", "rolling", null, false],
    ["ready", "ready", "CHECK", []],
    ["ready-timeout", "readyTimeoutMs", "TIME", 60_000],
    ["live", "live", "CHECK", []],
    ["check-interval", "checkIntervalMs", "TIME", null],
    ["check-timeout", "checkTimeoutMs", "TIME", 1_000],
    ["check-edge-interval", "checkEdgeIntervalMs", "TIME", null],
    ["check-jitter", "checkJitterMs", "TIME", 0],
    ["check-initial-jitter", "checkInitialJitterMs", "TIME", 0],
    ["healthy-threshold", "healthyThreshold", "N", 1],
    ["unhealthy-threshold", "unhealthyThreshold", "N", 3],
    ["check-host", "checkHost", "HOST", null],
    ["check-method", "checkMethod", "GET|HEAD|OPTIONS|POST", "GET"],
    ["check-status", "checkStatus", "STATUSES", null],
    ["check-retriable-status", "checkRetriableStatus", "STATUSES", null],
    ["check-body", "checkBody", "REGEX", null],
    ["check-service-name", "checkServiceName", "NAME", null],
    ["check-send", "checkSend", "BYTES", null],
    ["check-receive", "checkReceive", "BYTES", null],
    ["pre-flight", "preFlight", "COMMAND", null],
    ["min-free", "minFree", "SIZE", null],
    ["hook", "hook", "NAME=COMMAND", []],
    ["hook-timeout", "hookTimeoutMs", "TIME", 30_000],
    ["order", "order", "auto|start-first|stop-first", "auto"],
    ["shared-files", "sharedFiles", "refuse|warn|allow", "warn"],
    ["canary", "canary", "PERCENT", null],
    ["ramp", "rampMs", "TIME", 0],
    ["bake", "bakeMs", "TIME", 0],
    ["hold", "hold", null, false],
    ["rollback-on", "rollbackOn", "any|5xx|health|crash", "any"],
    ["eject-after", "ejectAfterMs", "TIME", 0],
    ["drain", "drain", "auto|quiesce|signal", "auto"],
    ["drain-time", "drainTimeMs", "TIME", 60_000],
    ["stop-drain-time", "stopDrainTimeMs", "TIME", null],
    ["stop-first-drain", "stopFirstDrainMs", "TIME", 5_000],
    ["drain-spread", "drainSpreadMs", "TIME", null],
    ["quiet", "quietMs", "TIME", 500],
    ["drain-call", "drainCall", "CALL", []],
    ["drain-undo", "drainUndo", "CALL", []],
    ["drain-call-timeout", "drainCallTimeoutMs", "TIME", 2_000],
    ["drain-call-status", "drainCallStatus", "STATUSES", null],
    ["stop-signal", "stopSignal", "SIGNAL", null],
    ["stop-time", "stopTimeMs", "TIME", 10_000],
    ["clean-exit", "cleanExit", "STATUS[,STATUS...]", []],
    ["max-generations", "maxGenerations", "N", 4],
    ["keep-alive", "keepAlive", "leave|auto|migrate", "leave"],
    ["shutdown-only", "shutdownOnly", null, false],
    ["min-drain", "minDrainMs", "TIME", null],
    ["max-drain", "maxDrainMs", "TIME", 20_000],
    ["ready-delay", "readyDelayMs", "TIME", 0],
    ["grace", "graceMs", "TIME", null],
    ["signal-to", "signalTo", "process|group", "process"],
    ["probe-listen", "probeListen", "ADDR:PORT", null],
    ["probe-health", "probeHealth", "PATH[,SETTING...]", null],
    ["watch", "watch", "PATH", []],
    ["admin", "admin", "ADDR:PORT", null],
    ["admin-token-file", "adminTokenFile", "FILE", null],
    ["admin-host", "adminHost", "NAME", []],
    ["otlp", "otlp", "URL", null],
    ["otlp-interval", "otlpIntervalMs", "TIME", 60_000],
    ["otlp-headers-file", "otlpHeadersFile", "FILE", null],
    ["events", "events", "NAMES", []],
    ["on-event", "onEvent", "COMMAND", null],
    ["webhook", "webhook", "URL", null],
    ["webhook-secret-file", "webhookSecretFile", "FILE", null],
    ["on-crash", "onCrash", "restart|exit", null],
    ["crash-delay", "crashDelayMs", "TIME", 200],
    ["crash-delay-max", "crashDelayMaxMs", "TIME", 30_000],
    ["crash-limit", "crashLimit", "N", 10],
    ["orphan", "orphan", "die|keep", "die"],
    ["survive", "survive", null, false],
    ["takeover", "takeover", "PATH", null],
    ["handoff-socket", "handoffSocket", "PATH", null],
    ["parent-shutdown-time", "parentShutdownTimeMs", "TIME", 900_000],
    ["usr1", "usr1", "auto|forward|ignore", "auto"],
    ["stop-on", "stopOn", "SIGNAL[,SIGNAL...]", []],
    ["output", "output", "capture|direct", "capture"],
    ["log-format", "logFormat", "text|json", "text"],
    ["log-level", "logLevel", "debug|info|warn|error", "info"],
    ["log-file", "logFile", "FILE", null],
  ];

  it("holds the agreed flags, fields, placeholders and defaults", () => {
    const actual = OPTIONS.map((option) => [
      option.flag,
      option.field,
      option.placeholder,
      option.default,
    ]);
    assert.deepEqual(actual, agreed);
  });

  it("gives each option a field named after its flag, with the unit of durations", () => {
    for (const { flag, field, placeholder } of OPTIONS) {
      const camel = flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
      assert.equal(field, placeholder === "TIME" ? `${camel}Ms` : camel);
    }
  });

  it("gives each option a group, a placeholder, and help that ends with a full stop", () => {
    for (const { flag, group, placeholder, help, default: value } of OPTIONS) {
      assert.ok(OPTION_GROUPS.includes(group), flag);
      assert.equal(placeholder === null, value === false, flag);
      assert.match(help, /^\S.*\.$/, flag);
      assert.doesNotMatch(help, / {2}/, flag);
    }
  });

  it("reads every default as a user would write it", () => {
    for (const option of OPTIONS) {
      const shown = defaultText(option);
      if (shown !== null) assert.equal(option.read(shown), option.default, option.flag);
    }
  });
});

describe("fileKey()", () => {
  it("writes a flag in snake case", () => {
    assert.equal(fileKey("ready-timeout"), "ready_timeout");
    assert.equal(fileKey("name"), "name");
  });
});
