/** Measures one row: both sides at the same time, each with clients of its own. What they leave behind is found and removed. */
import { spawn } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import * as v from "valibot";
import { certificate } from "../../../test/support/certificate.ts";
import { freePort } from "../../../test/support/free_port.ts";
import { alive, commandLine, killTree } from "../../../test/support/proc.ts";
import { findBun, REPOSITORY, required } from "../../../test/support/programs.ts";
import { tempDir } from "../../../test/support/temp_dir.ts";
import { waitUntil } from "../../../test/support/wait_until.ts";
import { withMarker } from "../peers/footprint.ts";
import { type Place, writeConfig, writeScript } from "./configuration.ts";
import { type ClientOrder, CLIENTS_END, type Lane, type LaneEnd } from "./lanes.ts";
import { type Outcome, withoutKilled } from "./result.ts";
import type { Row } from "./rows.ts";
import { MARK, Side, type SideName, SIDES } from "./side.ts";

const CLIENTS_MAIN = join(REPOSITORY, "scripts", "bench", "envoy", "clients_main.ts");
const CLIENTS_LIMIT_MS = 90_000;
const SETTLE_MS = 1_000;
const LEAVE_DEADLINE_MS = 5_000;
const SHARED_MEMORY = "/dev/shm";

export async function measureRow(
  row: Row,
  version: string,
  programs: Readonly<Record<string, string>>,
  status: (text: string) => void,
): Promise<readonly Outcome[]> {
  const held = createServer();
  await new Promise<void>((resolve) => held.listen(0, "127.0.0.1", resolve));
  const heldPort = (held.address() as { port: number }).port;
  try {
    status("both at once");
    return await Promise.all(
      SIDES.map((name) => measureSide({ row, name, version, programs, heldPort })),
    );
  } finally {
    held.close();
  }
}

interface Plan {
  readonly row: Row;
  readonly name: SideName;
  readonly version: string;
  readonly programs: Readonly<Record<string, string>>;
  readonly heldPort: number;
}

async function measureSide({ row, name, version, programs, heldPort }: Plan): Promise<Outcome> {
  using folder = tempDir("bench-envoy");
  const { TLS_CERT: cert, TLS_KEY: key } = certificate(folder);
  const [port, tlsPort] = [await freePort(), await freePort()];
  const place: Place = {
    dir: folder.path,
    port,
    tlsPort,
    baseId: port,
    certificate: { cert, key },
  };
  writeConfig(place, { version: "0" });
  writeScript(place, row.workers ?? 2, row.times);
  const mark = `${process.pid}.${port}`;
  const side = new Side(name, place, mark);
  side.use(programs[version]!);
  try {
    await side.start(row.flags);
    await pause(SETTLE_MS);
    const clients = new Clients({
      port,
      tlsPort,
      lanes: [...row.lanes],
      limitMs: CLIENTS_LIMIT_MS,
    });
    await pause(SETTLE_MS);
    const killsMs: number[] = [];
    const note = await row.act({ side, programs, heldPort, killsMs, pause }) ?? null;
    const ended = note?.startsWith("status ") ? null : side.status;
    const found = withoutKilled(await clients.end(), killsMs);
    await side.stop();
    const leftovers = await leftBehind(mark);
    return { row: row.name, envoy: version, side: name, ...found, note, ended, leftovers };
  } finally {
    for (const pid of withMarker(`${MARK}=${mark}`)) killTree(pid);
    for (const file of readdirSync(SHARED_MEMORY)) {
      // Envoy leaves it, too, without baton.
      const isOwn = file.startsWith(`envoy_shared_memory_${place.baseId}`);
      if (isOwn) rmSync(join(SHARED_MEMORY, file), { force: true });
    }
  }
}

/** Processes, as command lines. The original leaves some when it is killed. */
async function leftBehind(mark: string): Promise<string[]> {
  const left = () => withMarker(`${MARK}=${mark}`).filter((pid) => alive(pid));
  await waitUntil(() => left().length === 0, {
    what: "all have ended",
    deadlineMs: LEAVE_DEADLINE_MS,
  }).catch(() => {});
  return left().map((pid) => `${commandLine(pid).join(" ")} (${pid})`);
}

class Clients {
  readonly #child;
  readonly #output: Promise<string>;

  constructor(order: Omit<ClientOrder, "lanes"> & { readonly lanes: Lane[] }) {
    const bun = required("bun", findBun());
    this.#child = spawn(bun, [CLIENTS_MAIN, JSON.stringify(order)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#output = text(this.#child.stdout!);
  }

  async end(): Promise<LaneEnd[]> {
    this.#child.kill("SIGTERM");
    return v.parse(v.pipe(v.string(), v.parseJson(), CLIENTS_END), await this.#output);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
