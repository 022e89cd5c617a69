/** The promise: `baton top` at 10,000 connections costs baton at most 2 % of a processor, and nothing once it has ended. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findPython, required } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";
import { server } from "../support/controlled.ts";
import { waitUntil } from "../support/wait_until.ts";

const CONNECTIONS = 10_000;
const LOOKS = 20;
const MOST_PERCENT = 2;
const TICKS_PER_SECOND = 100;
/** Each asks once, and stays. They use several addresses, as one has too few ports on some machines. */
const CLIENTS = `
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
port, count = int(sys.argv[1]), int(sys.argv[2])
kept = []
for number in range(count):
    client = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.%d" % (2 + number // 5000), 0))
    client.sendall(b"GET / HTTP/1.1\\r\\nHost: test\\r\\n\\r\\n")
    client.recv(4096)
    kept.append(client)
print("ready", flush=True)
sys.stdin.read()
`;
/** The clients and the server have one descriptor for each connection. */
const hardLimit = Number(
  /Max open files +\d+ +(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1],
);
const why = !IS_FULL
  ? "in make test-all"
  : findPython() === null
  ? "needs python3"
  : hardLimit < 2 * CONNECTIONS
  ? `needs ${2 * CONNECTIONS} open files`
  : false;

/** Seconds of a processor since its start, proc_pid_stat(5). */
function usedSeconds({ pid }: Baton): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

describe("the cost of baton top", () => {
  test(`at ${CONNECTIONS} connections`, { timeout: 4 * TEST_TIMEOUT_MS, skip: why }, async () => {
    const port = await freePort();
    const { command, env } = server(port);
    const wrapper = ["sh", "-c", `ulimit -n ${2 * CONNECTIONS}; exec "$@"`, "sh"];
    // Node's server closes them after 5 s otherwise.
    const idle = [
      "-e",
      "require('http').createServer((_, r) => r.end('x'))" +
      ".listen({ port: +process.env.PORT, host: '127.0.0.1', backlog: 4096 }).keepAliveTimeout = 1e9",
    ];
    await using baton = await startBaton({
      command: [command[0]!, ...idle],
      env: env ?? {},
      wrapper,
    });
    const python = required("python3", findPython());
    const clients = spawn(python, ["-c", CLIENTS, String(port), String(CONNECTIONS)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let said = "";
    clients.stdout.on("data", (bytes) => said += String(bytes));
    try {
      await waitUntil(() => said.includes("ready"), {
        what: "all are connected",
        deadlineMs: 60_000,
      });
      const [before, beganAtMs] = [usedSeconds(baton), performance.now()];
      const { stdout } = await baton.cli("top", "--count", String(LOOKS));
      const seconds = (performance.now() - beganAtMs) / 1_000;
      const percent = 100 * (usedSeconds(baton) - before) / seconds;
      process.stderr.write(
        `${percent.toFixed(2)} % of a processor during ${seconds.toFixed(1)} s\n`,
      );
      assert.match(stdout.trimEnd().split("\n").at(-1)!, /100 %, \d+ busy, \d{4,} idle/);
      assert.ok(percent <= MOST_PERCENT, `${percent} %`);
      const after = usedSeconds(baton);
      await pause(5_000);
      assert.ok(usedSeconds(baton) - after <= 0.05, "nothing, once it has ended");
    } finally {
      clients.kill("SIGKILL");
    }
  });
});
