/** Servers and requests of the tests that control a running baton: by verbs, signals and the end of its server. */
import assert from "node:assert/strict";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { Baton, type BatonOptions } from "./baton.ts";
import { TEST_TIMEOUT_MS } from "./limits.ts";
import { Load } from "./load.ts";
import { findNode, required } from "./programs.ts";
import { fixtureCommand } from "./servers.ts";
import { waitUntil } from "./wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

/** An ordinary server; a request in flight is answered after its `ms`. */
export function server(port: number): BatonOptions {
  return { command: fixtureCommand("node_http.js"), env: { PORT: String(port) } };
}

/** A server that ends as it is asked to: GET /exit/N, GET /kill/SIGNAL. It appends USR1 to $NOTE. */
export const MORTAL = `
const http = require("node:http");
const { appendFileSync } = require("node:fs");
process.on("SIGUSR1", () => appendFileSync(process.env.NOTE, "USR1\\n"));
http.createServer((request, response) => {
  const [, verb, argument] = request.url.split("/");
  response.end("pid=" + process.pid + "\\n", () => {
    if (verb === "exit") process.exit(Number(argument));
    if (verb === "kill") process.kill(process.pid, argument);
  });
}).listen(Number(process.env.PORT), "127.0.0.1");
`;

export function mortal(port: number, note = "/dev/null"): BatonOptions {
  return {
    command: [required("node", findNode()), "-e", MORTAL],
    env: { PORT: String(port), NOTE: note },
  };
}

/** Sends one request, whatever becomes of it. */
export function send(port: number, path: string): Load {
  return new Load({ port, path, clients: 1, maxRequests: 1, timeoutMs: TEST.timeout }).start();
}

/** A request that is in flight when this returns, and takes `ms`. */
export async function inFlight(baton: Baton, port: number, ms: number): Promise<Load> {
  const load = send(port, `/slow?ms=${ms}`);
  await waitUntil(async () => (await serving(baton)).connections.busy === 1, {
    what: "the request is in flight",
  });
  return load;
}

export async function serving(baton: Baton): Promise<Snapshot["generations"][number]> {
  const { generations } = await baton.status();
  const found = generations.find(({ state }) => state === "serving");
  assert.ok(found, JSON.stringify(generations));
  return found;
}
