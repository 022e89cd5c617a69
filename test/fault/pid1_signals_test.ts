/**
 * Fault: whatever a process 1 is sent, or its server ends with: all signals, all ends.
 *
 * Allowed outcome: with --shutdown-only the server gets exactly the signals that docs/kubernetes.md says it gets;
 * baton ends with the server's exit status, or with 128 and the number of the signal that the server died of; and
 * a TERM that comes before the server listens ends it without a wait. Needs root, for a PID namespace.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SIGNAL_NAMES, signalNumber } from "../../src/config/values/signals.ts";
import { batonCommand, runCommand, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { probe } from "../support/kube_pod.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { contained, CONTAINER, noContainer } from "../support/pid1.ts";
import { findPython, fixture, REPOSITORY, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { skip: noContainer, timeout: TEST_TIMEOUT_MS };
const SHUTDOWN_ONLY = ["--shutdown-only"];
/** Batons at the same time. */
const AT_ONCE = 4;
/** Every end of the server is one start of baton: a part of them, with all that is special. */
const STEP = UNDER_TEST === "bun" ? 9 : 51;
const SPECIAL_STATUSES = [
  0,
  1,
  2,
  64,
  70,
  71,
  75,
  100,
  124,
  125,
  126,
  127,
  128,
  129,
  137,
  143,
  254,
  255,
];
/** signal(7): what a program without a handler does not die of. */
const HARMLESS = ["CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "WINCH"];

const named = (names: readonly string[]) =>
  names.map((name) => signalNumber(`SIG${name}` as never));

/** The signals that the documentation says are sent on. */
function documented(): number[] {
  const text = readFileSync(join(REPOSITORY, "docs", "kubernetes.md"), "utf8");
  const sentence = /has\.((?:(?!\.\s)[^])*?) are sent on/.exec(text)?.[1] ?? "";
  return named([...sentence.matchAll(/`([A-Z0-9]+)`/g)].map(([, name = ""]) => name));
}

async function statusOf(
  kind: "exit" | "signal",
  number: number,
  dir: TempDir,
): Promise<number | null> {
  const name = `${kind}-${number}`;
  const { code } = await runCommand([
    ...CONTAINER,
    ...batonCommand(),
    "run",
    ...SHUTDOWN_ONLY,
    "--name",
    name,
    "--runtime-dir",
    dir.path,
    "--",
    required("python3", findPython()),
    fixture("ends_as.py"),
    kind,
    String(number),
  ]);
  return code;
}

/** @returns those that did not end as expected */
async function wrongEnds(
  kind: "exit" | "signal",
  numbers: readonly number[],
  expected: (number: number) => number,
): Promise<string[]> {
  using dir = tempDir();
  const queue = [...numbers];
  const wrong: string[] = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let number = queue.shift(); number !== undefined; number = queue.shift()) {
      const status = await statusOf(kind, number, dir);
      if (status !== expected(number)) wrong.push(`${kind} ${number}: ${status}`);
    }
  }));
  return wrong;
}

describe("process 1 that only shuts down", () => {
  test("every signal from 1 to 31 that is to be sent on is, and no other", OPTIONS, async () => {
    const sentOn = documented();
    assert.equal(sentOn.length, 16, `of the documentation: ${sentOn}`);
    const command = [required("python3", findPython()), fixture("prints_signals.py")];
    await using container = await contained({ command, flags: SHUTDOWN_ONLY, env: {} });
    const { baton } = container;
    const got = () =>
      [...baton.stdout.matchAll(/^got (\d+)$/gm)].map(([, number]) => Number(number));
    await waitUntil(() => baton.stdout.includes("ready\n"), { what: "the handlers are set" });
    // Those of baton's own come first: one that was sent on would be here before the last of the others.
    for (const number of named(["CHLD", "PIPE", "PWR", "STKFLT"])) container.signal(number);
    for (const number of sentOn) {
      container.signal(number);
      await waitUntil(() => got().includes(number), { what: `signal ${number} is there` });
    }
    assert.deepEqual(got(), sentOn);
    const ending = named(["TERM", "INT", "QUIT"]);
    const faults = named(["ILL", "TRAP", "BUS", "FPE", "SEGV", "SYS"]);
    const rest = named(["CHLD", "PIPE", "PWR", "STKFLT", "KILL", "STOP"]);
    assert.deepEqual(
      [...sentOn, ...ending, ...faults, ...rest].sort((a, b) => a - b),
      SIGNAL_NAMES.map((name) => signalNumber(name)),
      "each of the 31 is one of these",
    );
    container.signal("SIGTERM");
    assert.equal((await baton.exited).code, 0, baton.stderr);
    assert.deepEqual(got(), [...sentOn, ...named(["TERM"])], "its stop signal is the last");
  });

  test("exit statuses from 0 to 255 are passed on", OPTIONS, async () => {
    const all = Array.from({ length: 256 }, (_, status) => status);
    const tried = all.filter((status) => status % STEP === 0 || SPECIAL_STATUSES.includes(status));
    assert.deepEqual(await wrongEnds("exit", tried, (status) => status), []);
  });

  test(
    "a server that dies of a signal: 128 and its number, for every deadly one",
    OPTIONS,
    async () => {
      const harmless = named(HARMLESS);
      const deadly = SIGNAL_NAMES.map((name) => signalNumber(name)).filter((n) =>
        !harmless.includes(n)
      );
      assert.equal(deadly.length, 23);
      const tried = UNDER_TEST === "bun" ? deadly : named(["HUP", "ABRT", "KILL", "TERM", "SYS"]);
      assert.deepEqual(await wrongEnds("signal", tried, (signal) => 128 + signal), []);
    },
  );

  test("TERM during a slow start ends it at once", OPTIONS, async () => {
    const command = ["sh", "-c", 'sleep 60; exec "$@"', "sh", ...fixtureCommand("node_http.js")];
    const flags = [...SHUTDOWN_ONLY, "--min-drain", "30s", "--max-drain", "60s"];
    await using container = await contained({ command, flags, env: { PORT: "0" } });
    const startedAt = performance.now();
    container.signal("SIGTERM");
    assert.equal((await container.baton.exited).code, 0, container.baton.stderr);
    assert.match(container.baton.stderr, /it never listened/);
    assert.ok(performance.now() - startedAt < 5_000, "neither of the waits was waited for");
  });

  test("TERM during a slow start that ignores it: KILL after --stop-time", OPTIONS, async () => {
    const command = ["sh", "-c", "trap '' TERM; echo set; while :; do sleep 1; done"];
    const flags = [
      ...SHUTDOWN_ONLY,
      "--min-drain",
      "30s",
      "--max-drain",
      "60s",
      "--stop-time",
      "300ms",
    ];
    await using container = await contained({ command, flags, env: {} });
    const { baton } = container;
    await waitUntil(() => baton.stdout.includes("set"), { what: "TERM is ignored" });
    const startedAt = performance.now();
    container.signal("SIGTERM");
    assert.equal((await baton.exited).code, 0, baton.stderr);
    assert.match(baton.stderr, /does not exit/);
    assert.ok(performance.now() - startedAt < 5_000, baton.stderr);
  });

  test(
    "a server that forks twice and leaves its session is waited for and drained",
    OPTIONS,
    async () => {
      const port = await freePort();
      const command = ["sh", "-c", '(setsid "$@" &)', "sh", ...fixtureCommand("node_http.js")];
      const flags = [...SHUTDOWN_ONLY, "--max-drain", "20s"];
      await using container = await contained({ command, flags, env: { PORT: String(port) } });
      const { baton } = container;
      await waitUntil(() => probe("127.0.0.1", { port, path: "/" }), { what: "it serves" });
      assert.match(baton.stderr, /its processes keep running/);
      const load = new Load({ port, path: "/slow?ms=1000", clients: 2, maxRequests: 2 }).start();
      await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 2, {
        what: "two requests are in flight",
      });
      container.signal("SIGTERM");
      assert.equal((await baton.exited).code, 0, baton.stderr);
      const tally = await load.finished();
      assert.deepEqual([tally.ok, tally.lost], [2, 0], formatTally(tally));
    },
  );
});
