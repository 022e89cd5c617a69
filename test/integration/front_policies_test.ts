/**
 * Promise: each line of [front] does what it says to requests through a real Envoy, and nothing else does: with the line
 * taken out, requests see something else.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { envoyProgram } from "../support/envoy.ts";
import { CHECK_ROWS } from "../support/front/rows_checks.ts";
import { CLIENT_ROWS } from "../support/front/rows_clients.ts";
import { SERVER_ROWS } from "../support/front/rows_servers.ts";
import { FrontTrial } from "../support/front/front_trial.ts";
import type { Row } from "../support/front/row.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL } from "../support/repeats.ts";
import { tempDir } from "../support/temp_dir.ts";

const { path: ENVOY, skip } = envoyProgram();
const ROWS: readonly Row[] = [CLIENT_ROWS, SERVER_ROWS, CHECK_ROWS].flat()
  .filter(({ isSlow }) => IS_FULL || !isSlow);

interface Seen {
  readonly with: unknown;
  readonly without: unknown;
}

describe("[front] in a real Envoy", { skip }, () => {
  const dir = tempDir("front");
  const trial = new FrontTrial(dir, ENVOY ?? "");
  /** All rows at once: most wait for something. */
  const seen = new Map<Row, Promise<Seen>>();

  before(async () => {
    for (const [index, row] of ROWS.entries()) {
      // A cluster is one front's own.
      const lines = (text: string, name: string) =>
        text.replaceAll("@", name).replace("/tmp/replaced", dir.join("access.log"));
      const { line, instead = "", rest = "", removed, servers = 1 } = row;
      const [on, off] = [`on${index}`, `off${index}`];
      await trial.add({ name: on, lines: lines(`${line}\n${rest}`, on), servers });
      const bare = removed === undefined ? { name: off } : { name: off, removed };
      await trial.add({ ...bare, lines: lines(`${instead}\n${rest}`, off), servers });
    }
    await trial.start();
    for (const [index, row] of ROWS.entries()) {
      const result = look(row, index);
      result.catch(() => {});
      seen.set(row, result);
    }
  }, { timeout: TEST_TIMEOUT_MS });
  after(async () => {
    await trial[Symbol.asyncDispose]();
    dir[Symbol.dispose]();
  });

  async function look(row: Row, index: number): Promise<Seen> {
    const [on, off] = [await trial.place(`on${index}`), await trial.place(`off${index}`)];
    const first = row.look(on, null);
    const [withLine, without] = await Promise.all([first, row.look(off, first)]);
    return { with: withLine, without };
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
        assert.deepEqual(await seen.get(row), row.seen);
      },
    );
  }
});
