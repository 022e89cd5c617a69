/**
 * Asks the kernel which connections are in interactive mode, where only that tells who sent last (order.ts). The answer is a
 * whole table of the machine as text, so it is asked for only when it may end a drain, and not often.
 */
import type { Clock } from "../platform/clock.ts";
import { interactiveModes } from "../platform/network/interactive_mode.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";
import type { Tracks } from "./connections.ts";
import { ASK_MODE_MS, mayNeedMode } from "./order.ts";

const LEAST_PAUSE_MS = 1_000;
const PAUSE_PER_COST = 5;

export class ModeQuestions {
  #nextAtMs = -Infinity;

  constructor(readonly clock: Clock, readonly read = interactiveModes) {}

  /** @param blocking those that the drain waits for @returns whether anything was asked */
  ask(
    connections: readonly TcpSocket[],
    blocking: ReadonlySet<number>,
    tracks: Pick<Tracks, "get" | "noteModes">,
  ): boolean {
    const startedAtMs = this.clock.now();
    if (blocking.size === 0 || startedAtMs < this.#nextAtMs) return false;
    const open = connections.filter(({ inode }) => blocking.has(inode));
    // A connection that will be waited for all the same makes the others' order unimportant.
    if (open.length < blocking.size || !open.every((each) => isOpen(each, tracks))) return false;
    const ports = new Set(open.map(({ local }) => local.port));
    const modes = this.read(ports);
    const costMs = this.clock.now() - startedAtMs;
    this.#nextAtMs = startedAtMs + Math.max(LEAST_PAUSE_MS, PAUSE_PER_COST * costMs);
    const told = open.filter(({ local }) => modes?.spoiled.has(local.port) === false);
    tracks.noteModes(open.map(({ inode }) => inode), interactiveAmong(told, modes), startedAtMs);
    return true;
  }
}

function isOpen(socket: TcpSocket, tracks: Pick<Tracks, "get">): boolean {
  const track = tracks.get(socket.inode);
  return track !== null && (socket.traffic?.sinceSentMs ?? 0) >= ASK_MODE_MS &&
    mayNeedMode(socket, track);
}

function interactiveAmong(
  told: readonly TcpSocket[],
  modes: ReturnType<typeof interactiveModes>,
): ReadonlySet<number> {
  const all = modes?.interactive ?? new Set();
  return new Set(told.map(({ inode }) => inode).filter((inode) => all.has(inode)));
}
