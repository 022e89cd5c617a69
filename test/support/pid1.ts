/**
 * baton as process 1 of a PID namespace, as in a container. Needs root.
 *
 * `await using container = await contained({...})`: `pid` is its number here, for signals.
 */
import process from "node:process";
import { type Baton, type BatonOptions, startBaton } from "./baton.ts";
import { notPermitted, processNumbered } from "./restrict.ts";

/** Put in front of a program that is to be process 1. Its status, or signal, is the wrapper's own. */
export const CONTAINER = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** Why it cannot be had here, or false. */
export const noContainer: string | false = process.getuid?.() === 0
  ? notPermitted(CONTAINER)
  : "a PID namespace needs root";

export interface Container extends AsyncDisposable {
  readonly baton: Baton;
  readonly pid: number;
  /** To process 1, which unshare(1) does not pass on. */
  signal(signal: NodeJS.Signals | number): void;
}

export async function contained(options: BatonOptions): Promise<Container> {
  const baton = await startBaton({ wrapper: CONTAINER, ...options });
  const pid = processNumbered(1, baton.pid);
  return {
    baton,
    pid,
    signal: (signal) => process.kill(pid, signal),
    [Symbol.asyncDispose]: () => baton[Symbol.asyncDispose](),
  };
}
