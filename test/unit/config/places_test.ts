/** Every option has the same value from a flag, a variable, a file of TOML and one of JSON. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { stringify } from "smol-toml";
import { parseConfigText } from "../../../src/config/config_file.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { fileKey, type Option, OPTIONS, variableOf } from "../../../src/config/options.ts";

const COMMAND = ["server"];
/** By placeholder: what no default is. */
const BY_PLACEHOLDER: Readonly<Record<string, string>> = {
  TIME: "1500ms",
  N: "7",
  "N|auto": "3",
  PERCENT: "12.5%",
  FILE: "/f",
  DIR: "/d",
  PATH: "/p",
  "PATH[,SETTING...]": "/healthz",
  NAME: "web",
  HOST: "example.org",
  COMMAND: "true; false",
  SIGNAL: "INT",
  STATUSES: "200,300-303",
  BYTES: "ping",
  SIZE: "64M",
  MODE: "027",
  REGEX: "o[k]",
  "ADDR:PORT": "127.0.0.1:9000",
};
const BY_FLAG: Readonly<Record<string, string | readonly string[]>> = {
  user: "web",
  preset: "envoy",
  "private-socket": ["@a", "@b_*"],
  group: "www-data",
  rlimit: ["nofile=10:20", "core=unlimited"],
  env: ["A=b=c", "B="],
  listen: ["a=127.0.0.1:80", "[::1]:81"],
  front: ["eds:/d/a.yaml,cluster=a,admin=unix:/d/a.sock", "eds:/d/b.json,port=81"],
  ready: ["http:/ready", "tcp"],
  live: ["http:/live"],
  "drain-call": ["POST:9901/fail", "exec:a; b"],
  "drain-undo": ["unix:/run/a:POST:/ok"],
  hook: ["ready=echo a; b", "post-stop=c"],
  "clean-exit": ["3", "4,5"],
  "stop-on": ["INT,QUIT"],
  watch: ["/a b", "/c"],
  "admin-host": ["a.example", "b.example"],
  events: ["reload.*", "service.started,generation.crashed"],
  otlp: "http://127.0.0.1:4318",
  webhook: "https://example.org/hook",
  "crash-delay-max": "2m",
  canary: "12.5%",
  "rollback-on": "crash",
};
/** What one needs beside it. */
const BESIDE: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>> = {
  group: { user: "web" },
  "check-send": { ready: ["tcp"] },
  "check-receive": { ready: ["tcp"] },
  "admin-host": { admin: "127.0.0.1:9001", "admin-token-file": "/t" },
  "admin-token-file": { admin: "127.0.0.1:9001" },
  "otlp-interval": { otlp: "http://127.0.0.1:4318" },
  "otlp-headers-file": { otlp: "http://127.0.0.1:4318" },
  events: { webhook: "https://example.org/hook" },
  "webhook-secret-file": { webhook: "https://example.org/hook" },
  "probe-health": { "probe-listen": "127.0.0.1:9000" },
};
const HTTP = ["host", "method", "status", "retriable-status", "body", "service-name"];

function sample({ flag, placeholder, default: usual }: Option): string | readonly string[] | true {
  if (placeholder === null) return true;
  const given = BY_FLAG[flag] ?? BY_PLACEHOLDER[placeholder];
  if (given !== undefined) return given;
  // The words of a choice.
  const other = placeholder.split("|").find((word) => word !== usual);
  return other ?? assert.fail(`no sample for --${flag} ${placeholder}`);
}

function beside(flag: string): Readonly<Record<string, string | readonly string[]>> {
  const isHttp = HTTP.some((name) => flag === `check-${name}`);
  return BESIDE[flag] ?? (isHttp ? { ready: ["http:/"] } : {});
}

type Place = (option: Option, value: ReturnType<typeof sample>) => Parameters<typeof loadConfig>[0];

const flagsOf = (values: object) =>
  new Map(Object.entries(values).map(([flag, value]) => [flag, [value].flat() as string[]]));

const fromFile = (name: string, write: (values: object) => string): Place => (option, value) => ({
  command: COMMAND,
  flagValues: flagsOf(beside(option.flag)),
  fileValues: parseConfigText(write({ [fileKey(option.flag)]: value }), name),
});

const fromVariable = (write: (list: readonly string[]) => string): Place => (option, value) => ({
  command: COMMAND,
  fileValues: null,
  flagValues: flagsOf(beside(option.flag)),
  env: { [variableOf(option.flag)]: Array.isArray(value) ? write(value) : String(value) },
});

const PLACES: Readonly<Record<string, Place>> = {
  flag: (option, value) => ({
    command: COMMAND,
    fileValues: null,
    flagValues: flagsOf({ ...beside(option.flag), [option.flag]: value === true ? "" : value }),
  }),
  "variable, a list on lines": fromVariable((list) => list.join("\n")),
  "variable, a list of JSON": fromVariable((list) => JSON.stringify(list)),
  TOML: fromFile("b.toml", (values) => stringify(values)),
  JSON: fromFile("b.json", (values) => JSON.stringify(values)),
};

describe("an option means the same wherever it is given", () => {
  for (const option of OPTIONS) {
    test(`--${option.flag}`, () => {
      const value = sample(option);
      const without = loadConfig({
        command: COMMAND,
        fileValues: null,
        flagValues: flagsOf(beside(option.flag)),
      });
      const found = Object.values(PLACES).map((place) => loadConfig(place(option, value)).config);
      for (const config of found) {
        assert.deepEqual(config, found[0]);
        assert.notDeepEqual(config, without.config);
      }
    });
  }

  test("a flag is true or false in a file, and shown so", () => {
    const fileValues = (text: string) => parseConfigText(text, "b.toml");
    const load = (text: string) =>
      loadConfig({ command: COMMAND, flagValues: new Map(), fileValues: fileValues(text) });
    assert.equal(load("hold = true").config.hold, true);
    assert.throws(() => load('hold = ""'), /In key "hold" of b.toml: .* must be true or false/);
    const { origins } = loadConfig({
      command: COMMAND,
      fileValues: null,
      flagValues: flagsOf({ hold: "" }),
    });
    assert.equal(origins.get("hold")?.raw, true);
  });
});
