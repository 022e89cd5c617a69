/** The exit of a process is reported once, and nothing is left of its watch. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Platform } from "../../../src/platform/platform.ts";
import { ExitWatch } from "../../../src/process/exit_watch.ts";

function scene() {
  const open = new Map<number, () => void>();
  const closed: string[] = [];
  const platform = {
    processes: {
      openPidfd: (pid: number) => ({ pid, close: () => closed.push(`pidfd ${pid}`) }),
    },
    reactor: {
      watch: ({ pid }: { pid: number }, onReady: () => void) => {
        open.set(pid, onReady);
        return { cancel: () => closed.push(`watch ${pid}`) };
      },
    },
  } as unknown as Platform;
  return { watch: new ExitWatch(platform), open, closed };
}

describe("ExitWatch", () => {
  it("reports an exit when its watch is closed already", () => {
    const { watch, open, closed } = scene();
    let seen: readonly string[] = [];
    watch.watch(5, () => seen = [...closed]);
    open.get(5)?.();
    assert.deepEqual(seen, ["watch 5", "pidfd 5"]);
  });

  it("watches a process once, and again after its exit: the number may be another's by then", () => {
    const { watch, open } = scene();
    const reports: string[] = [];
    watch.watch(5, () => reports.push("first"));
    watch.watch(5, () => reports.push("not watched"));
    open.get(5)?.();
    watch.watch(5, () => reports.push("second"));
    open.get(5)?.();
    assert.deepEqual(reports, ["first", "second"]);
  });

  it("closes all", () => {
    const { watch, closed } = scene();
    for (const pid of [5, 6]) watch.watch(pid, () => {});
    watch.close();
    assert.deepEqual(closed, ["watch 5", "pidfd 5", "watch 6", "pidfd 6"]);
  });
});
