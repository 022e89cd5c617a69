/** The rules across options; every message names the options as the user writes them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import { parseListenSpec } from "../../../src/config/values/listen_spec.ts";
import { buildConfig } from "../../support/config.ts";
import { checkPlaceholders, handoffOption, validateConfig } from "../../../src/config/validate.ts";

const BASE = buildConfig({ fileValues: null, flagValues: new Map(), command: ["server"] });
const WEB = parseListenSpec("web=80", 0);

describe("validateConfig()", () => {
  const valid: [string, Partial<Config>][] = [
    ["the defaults", {}],
    ["--handoff inherit with --listen", { handoff: "inherit", listen: [WEB] }],
    ["--handoff auto with --listen", { listen: [WEB] }],
    ["equal crash delays", { crashDelayMs: 500, crashDelayMaxMs: 500 }],
    ["a placeholder, as systemd may have a socket of this name", {
      listen: [WEB],
      command: ["{fd:admin}"],
    }],
    ["--usr1 forward to a server stopped by TERM", { usr1: "forward" }],
    ["--usr1 forward to haproxy stopped by TERM", {
      usr1: "forward",
      stopSignal: "SIGTERM",
      command: ["haproxy"],
    }],
    ["--usr1 forward, stopped by others", { usr1: "forward", stopOn: ["SIGHUP", "SIGUSR2"] }],
    ["--stop-signal KILL", { stopSignal: "SIGKILL" }],
    ["what --shutdown-only does", { shutdownOnly: true, onCrash: "exit", orphan: "keep" }],
    ["no waits at all", { drainTimeMs: 0, stopTimeMs: 0, quietMs: 0 }],
  ];
  for (const [title, change] of valid) {
    it(`accepts ${title}`, () => validateConfig({ ...BASE, ...change }));
  }

  const invalid: [string, Partial<Config>, RegExp, RegExp][] = [
    [
      "--handoff inherit without --listen",
      { handoff: "inherit" },
      /^Cannot use --handoff inherit without --listen: there is no socket to pass$/,
      /Add --listen/,
    ],
    [
      "--udp switch with --handoff inherit",
      { handoff: "inherit", listen: [WEB], udp: "switch" },
      /^Cannot use --udp switch with --handoff inherit: baton does not see what the server binds$/,
      /--handoff auto/,
    ],
    [
      "--listen with --handoff adopt",
      { handoff: "adopt", listen: [WEB] },
      /^Cannot use --listen with --handoff adopt: it passes no sockets$/,
      /--handoff auto or inherit/,
    ],
    ["the same listener twice", { listen: [WEB, WEB] }, /listener name "web" twice/, /own name/],
    [
      "a first crash delay beyond the longest",
      { crashDelayMs: 60_000, crashDelayMaxMs: 30_000 },
      /^Cannot use --crash-delay 1m: --crash-delay-max is only 30s$/,
      /Lower --crash-delay/,
    ],
    [
      "--usr1 forward with --stop-signal USR1",
      { usr1: "forward", stopSignal: "SIGUSR1" },
      /^Cannot use --usr1 forward: SIGUSR1 is the stop signal of this server$/,
      /--usr1 auto/,
    ],
    [
      "--usr1 forward to haproxy, whose preset stops it with USR1",
      { usr1: "forward", command: ["/usr/sbin/haproxy"] },
      /^Cannot use --usr1 forward/,
      /another --stop-signal/,
    ],
    [
      "--usr1 forward with --stop-on USR1",
      { usr1: "forward", stopOn: ["SIGWINCH", "SIGUSR1"] },
      /^Cannot use --usr1 forward with --stop-on USR1/,
      /Remove one of the two/,
    ],
    [
      "a stop signal that ends nothing",
      { stopSignal: "SIGSTOP" },
      /^Cannot use --stop-signal SIGSTOP: this signal does not terminate a process$/,
      /TERM/,
    ],
    ["an empty program", { command: [""] }, /name of its program is empty$/, /-- PROGRAM/],
    ["no command", { command: [] }, /name of its program is empty$/, /-- PROGRAM/],
    ["a NUL in the command", { command: ["s", "a\0b"] }, /"a\\u0000b" holds a NUL/, /^$/],
  ];
  for (const [title, change, message, remedy] of invalid) {
    it(`refuses ${title}`, () => {
      assert.throws(() => validateConfig({ ...BASE, ...change }), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", remedy);
        return true;
      });
    });
  }
});

describe("what needs a handoff", () => {
  const needs: [Partial<Config>, string][] = [
    [{ listen: [WEB] }, "--listen"],
    [{ takeover: "/x" }, "--takeover"],
    [{ handoffSocket: "/x" }, "--handoff-socket"],
    [{ survive: true }, "--survive"],
    [{ udp: "switch" }, "--udp switch"],
    [{ keepAlive: "migrate" }, "--keep-alive migrate"],
    [{ keepAlive: "auto" }, "--keep-alive auto"],
    [{ onCrash: "restart" }, "--on-crash restart"],
  ];
  for (const [change, option] of needs) {
    it(`is refused with --shutdown-only: ${option}`, () => {
      assert.equal(handoffOption({ ...BASE, ...change }), option);
      const asked = { ...BASE, ...change, shutdownOnly: true };
      assert.throws(() => validateConfig(asked), (error: unknown) => {
        assert.ok(error instanceof UserError);
        const message = `Cannot use ${option} with --shutdown-only: there is no handoff`;
        assert.equal(error.message, message);
        return true;
      });
    });
  }

  it("is none of the defaults", () => assert.equal(handoffOption(BASE), null));
});

describe("checkPlaceholders()", () => {
  const accepted: [string, Pick<Config, "command" | "listen">][] = [
    ["those of a listener", { listen: [WEB], command: ["s", "{fd:web}:{port:web}"] }],
    ["other braces", { listen: [WEB], command: ["s", "{}", "{fd}", "{x:web}", '{"fd":1}'] }],
    ["near misses", { listen: [WEB], command: ["s", "{Fd:x} {pid:x} {{}"] }],
    ["what is the server's own where nothing listens", {
      listen: [],
      command: ["node", "-e", "f({fd:1}.fd, {port:x}, {fd:})"],
    }],
  ];
  for (const [title, config] of accepted) {
    it(`accepts ${title}`, () => checkPlaceholders(config));
  }

  const refused: [word: string, message: RegExp, remedy: RegExp][] = [
    [
      "--port={port:wbe}",
      /^Cannot fill in {port:wbe}: no listener has this name, there are web$/,
      /Did you mean {port:web}\?/,
    ],
    ["{fd:admin}", /no listener has this name, there are web$/, /Add --listen admin=ADDRESS:PORT/],
    ["a{fd:web}b{port:y.z}", /fill in {port:y\.z}/, /--listen y\.z=ADDRESS/],
    ["{fd:}", /fill in {fd:}/, /--listen NAME=ADDRESS/],
  ];
  for (const [word, message, remedy] of refused) {
    it(`refuses ${word}`, () => {
      assert.throws(
        () => checkPlaceholders({ listen: [WEB], command: ["s", word] }),
        (error: unknown) => {
          assert.ok(error instanceof UserError);
          assert.match(error.message, message);
          assert.match(error.remedy ?? "", remedy);
          return true;
        },
      );
    });
  }
});
