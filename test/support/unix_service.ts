/** Servers at a Unix socket, and clients of it. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import type { Baton } from "./baton.ts";
import { TEST_TIMEOUT_MS } from "./limits.ts";
import { formatTally, Load, type Tally } from "./load.ts";
import { fixtureCommand, type Runnable } from "./servers.ts";

const CLIENTS = 16;
/** A server's end of a connection before it is accepted: SS_CONNECTING, without an inode (unix_seq_show). */
const UNACCEPTED = /^\S+ \S+ \S+ \S+ \S+ 02 +0 (\S+)$/gm;

/** Node, which leaves its path behind. */
export function nodeAt(socket: string, version = "1"): Runnable {
  return { command: fixtureCommand("node_http.js"), env: { SOCKET: socket, VERSION: version } };
}

/** Clients that connect without pause, and wait for an answer for as long as it takes. */
export function unixLoad(socket: string, clients = CLIENTS): Load {
  return new Load({ unixPath: socket, clients, timeoutMs: TEST_TIMEOUT_MS }).start();
}

/** Connections that no process has accepted, of sockets that were bound in this folder under whatever name. */
export function countWaiting(folder: string): number {
  const listed = readFileSync("/proc/net/unix", "utf8").matchAll(UNACCEPTED);
  return [...listed].filter(([, path = ""]) => path.startsWith(`${folder}/`)).length;
}

/** The inode of what is at the path. */
export function nodeInode(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

export function lostNone(tally: Tally, ...batons: Baton[]): void {
  const logs = batons.map(({ stderr }) => stderr);
  assert.equal(tally.lost, 0, [formatTally(tally), ...logs].join("\n"));
}
