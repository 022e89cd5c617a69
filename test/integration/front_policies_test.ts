/**
 * Promise: each line of [front] does what it says to requests through a real Envoy, and nothing else does: with the line
 * taken out, requests see something else.
 */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { UNDER_TEST } from "../support/baton.ts";
import { ENVOY_VERSIONS, envoyProgram } from "../support/envoy.ts";
import { CHECK_ROWS } from "../support/front/rows_checks.ts";
import { CLIENT_ROWS } from "../support/front/rows_clients.ts";
import { SERVER_ROWS } from "../support/front/rows_servers.ts";
import { FrontTrial } from "../support/front/front_trial.ts";
import type { Row } from "../support/front/row.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

const ROWS: readonly Row[] = [CLIENT_ROWS, SERVER_ROWS, CHECK_ROWS].flat()
  .filter(({ isSlow }) => IS_FULL || !isSlow);

interface Seen {
  readonly with: unknown;
  readonly without: unknown;
}

for (const version of ENVOY_VERSIONS.slice(0, IS_FULL ? ENVOY_VERSIONS.length : 1)) {
  const { path, skip } = envoyProgram(version);
  const isElsewhere = UNDER_TEST === "deno" && "baton itself does not run here: as on Bun";
  describe(`[front] in Envoy ${version}`, { skip: skip || isElsewhere }, () => rowsIn(path ?? ""));
}

function rowsIn(envoy: string): void {
  /** By the first test: a hook has a time-out of its own. */
  let running: Promise<{ dir: TempDir; trial: FrontTrial; seen: Map<Row, Promise<Seen>> }> | null =
    null;

  after(async () => {
    const made = await running?.catch(() => null);
    await made?.trial[Symbol.asyncDispose]();
    made?.dir[Symbol.dispose]();
  });

  async function start() {
    const dir = tempDir("front");
    const trial = new FrontTrial(dir, envoy);
    for (const [index, row] of ROWS.entries()) {
      // A cluster is one front's own.
      const lines = (text: string, name: string) =>
        text.replaceAll("@", name).replace("/tmp/replaced", dir.join("access.log"));
      const { line, instead = "", rest = "", removed, servers = 1, prepare, isWatched = false } =
        row;
      const [on, off] = [`on${index}`, `off${index}`];
      const parts = { servers, prepare, isWatched };
      await trial.add({ name: on, lines: lines(`${line}\n${rest}`, on), ...parts });
      const bare = removed === undefined ? { name: off } : { name: off, removed };
      await trial.add({ ...bare, lines: lines(`${instead}\n${rest}`, off), ...parts });
    }
    await trial.start();
    // All rows at once: most wait for something.
    const seen = new Map(ROWS.map((row, index) => {
      const result = look(trial, row, index);
      result.catch(() => {});
      return [row, result];
    }));
    return { dir, trial, seen };
  }

  for (const row of ROWS) {
    const { line, instead, rest, removed } = row;
    const what = line === "" ? `${removed} (always written)` : line.replaceAll("\n", ", ");
    const others = [rest, instead && `else ${instead}`].filter((text) => text).join(", ");
    const name = `${what}${others === "" ? "" : ` [${others.replaceAll("\n", ", ")}]`}`;
    test(
      name.replaceAll(/"\/[^"]*\/([^"/]+)"/g, '"$1"'),
      { timeout: TEST_TIMEOUT_MS },
      async () => {
        const { seen } = await (running ??= start());
        assert.deepEqual(await seen.get(row), row.seen);
      },
    );
  }
}

async function look(trial: FrontTrial, row: Row, index: number): Promise<Seen> {
  const [on, off] = [await trial.place(`on${index}`), await trial.place(`off${index}`)];
  const first = row.look(on, null);
  const [withLine, without] = await Promise.all([first, row.look(off, first)]);
  return { with: withLine, without };
}
