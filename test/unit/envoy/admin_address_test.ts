/** Where the admin interface of an Envoy is, by its command line and files. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FoundControl } from "../../../src/config/servers/control.ts";
import { findEnvoyAdmin } from "../../../src/envoy/admin_address.ts";

const BLOCK = `
static_resources: {listeners: []}
"admin":
  # where people look
  access_log_path: /dev/null

  address:
    socket_address: {address: 127.0.0.1, port_value: 9901}
node: {id: n, cluster: c}
`;
const PIPE = "admin: {address: {pipe: {path: /run/envoy.sock, mode: 384}}}\n";
const ANCHOR = `
here: &here {socket_address: {address: "::", port_value: 9902}}
admin:
  address: *here
`;
const JSON_TEXT = JSON.stringify({
  admin: { address: { socketAddress: { address: "0.0.0.0", portValue: "9903" } } },
});

const FILES: Readonly<Record<string, string>> = {
  "block.yaml": BLOCK,
  "pipe.yaml": PIPE,
  "anchor.yaml": ANCHOR,
  "flow.yaml": "{node: {id: n}, admin: {address: {pipe: {path: '@abstract'}}}}",
  "indented.yaml": "  node: {id: n}\n  admin:\n    address: {pipe: {path: /run/in.sock}}\n",
  "a.json": JSON_TEXT,
  "any.yaml": "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}",
  "none.yaml": "static_resources: {}\n",
  "named.yaml": "static_resources: {clusters: [{name: admin}]}\n",
  "broken.yaml": "admin: {address: [}",
  "written": "127.0.0.1:40123",
  "written6": "[::1]:40123\n",
  "stale": "127.0.0.1:40999",
};

const port = (host: string, number: number) => ({ place: { host, port: number } });
const unix = (path: string) => ({ place: { unix: path } });

async function find(words: string): Promise<FoundControl> {
  return await findEnvoyAdmin(words.split(" "), {
    read: (path) => FILES[path] ?? null,
    listensAt: (place) => "port" in place && place.port === 40123,
  });
}

describe("findEnvoyAdmin()", () => {
  const found: [words: string, expected: object][] = [
    ["-c block.yaml --disable-hot-restart", port("127.0.0.1", 9901)],
    ["--concurrency 2 --config-path block.yaml", port("127.0.0.1", 9901)],
    ["--config-path=pipe.yaml", unix("/run/envoy.sock")],
    ["-c anchor.yaml", port("::", 9902)],
    ["-c flow.yaml", unix("@abstract")],
    ["-c indented.yaml", unix("/run/in.sock")],
    ["-c a.json", port("0.0.0.0", 9903)],
    [`--config-yaml ${JSON_TEXT}`, port("0.0.0.0", 9903)],
    [`-c block.yaml --config-yaml ${JSON_TEXT}`, port("0.0.0.0", 9903)],
    ["-c none.yaml -c block.yaml", port("127.0.0.1", 9901)],
    ["-c any.yaml --admin-address-path written", port("127.0.0.1", 40123)],
    ["-c any.yaml --admin-address-path written6", port("::1", 40123)],
    ["-c block.yaml --admin-address-path stale", port("127.0.0.1", 9901)],
  ];
  for (const [words, expected] of found) {
    test(words, async () => assert.deepEqual(await find(words), expected));
  }

  const not: [words: string, kind: "later" | "notice", text: RegExp][] = [
    // That of a generation before, or of none yet.
    ["-c any.yaml --admin-address-path stale", "later", /has not written stale yet/],
    ["-c any.yaml --admin-address-path absent", "later", /has not written absent yet/],
    ["-c any.yaml", "notice", /different one at each start.*--admin-address-path/],
    ["-c none.yaml", "notice", /no admin interface in none.yaml.*Add admin: \{/],
    ["-c named.yaml", "notice", /no admin interface/],
    ["-c broken.yaml", "notice", /no admin interface/],
    ["--disable-hot-restart", "notice", /no admin interface in its command line/],
    ["-c absent.yaml", "notice", /absent.yaml.*cannot be read.*--drain-call POST:PORT/],
    ["-c conf.pb", "notice", /conf.pb.*cannot be read/],
  ];
  for (const [words, kind, text] of not) {
    test(`${words}: ${kind}`, async () => {
      const answer = await find(words) as Readonly<Record<string, string>>;
      assert.match(answer[kind] ?? JSON.stringify(answer), text);
    });
  }
});
