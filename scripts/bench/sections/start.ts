/** How long baton's own processes take until they are of use. */
import { batonCommand } from "../../../test/support/baton.ts";
import { directChildren, firstWord, watch } from "../proc.ts";
import type { Bench, Measured, Section } from "../section.ts";
import { type Spread, spread, spreadRow } from "../spread.ts";
import { withServer } from "./with_server.ts";

export const START: Section = { name: "start", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured> {
  bench.status("start-up");
  const version = await startUp(bench.plan.runs);
  const launched = bench.available("go") ? await launcher(bench.plan.runs) : null;
  const rows = [["start-up, ms", "median", "min", "max"], spreadRow("baton --version", version)];
  if (launched !== null) {
    rows.push(spreadRow("launcher, until it is the server", launched.launcher));
    rows.push(spreadRow("reload signal, until then", launched.fromSignal));
  }
  bench.table(rows);
  return {
    figures: {
      versionMs: version.median,
      ...(launched !== null && { launcherMs: launched.launcher.median }),
    },
    details: {
      versionMs: version,
      launcherMs: launched?.launcher,
      fromSignalMs: launched?.fromSignal,
    },
  };
}

/** Milliseconds from the start of `baton --version` to its end. */
async function startUp(runs: number): Promise<Spread> {
  const [program = "", ...words] = batonCommand();
  const times: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const startedAt = performance.now();
    const { success } = await new Deno.Command(program, {
      args: [...words, "--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) throw new Error("baton --version failed");
    // The first one reads the file into memory.
    if (run > 0) times.push(performance.now() - startedAt);
  }
  return spread(times);
}

/**
 * Milliseconds for which the launcher is there before it becomes the server, and from the reload
 * signal to that moment. Watched from outside, without a pause: nothing in baton is changed for it.
 */
async function launcher(runs: number): Promise<{ launcher: Spread; fromSignal: Spread }> {
  return await withServer("go", async (baton, command) => {
    const [launcherMs, fromSignalMs]: [number[], number[]] = [[], []];
    for (let run = 0; run < runs; run++) {
      const before = new Set(directChildren(baton.pid));
      const signalledAt = performance.now();
      Deno.kill(baton.pid, "SIGHUP");
      const child = watch(() => directChildren(baton.pid).find((pid) => !before.has(pid)));
      const startedAt = performance.now();
      watch(() => firstWord(child) === command[0]);
      launcherMs.push(performance.now() - startedAt);
      fromSignalMs.push(performance.now() - signalledAt);
      await baton.settled();
    }
    return { launcher: spread(launcherMs), fromSignal: spread(fromSignalMs) };
  });
}
