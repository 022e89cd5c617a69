/**
 * Fault: `baton prestop` without a baton that can drain, where something is not as it should be: nobody listens,
 * another port was named, it runs twice, after TERM; the kernel does not tell it who is connected.
 *
 * Allowed outcome: it always ends within --min and --max, and the status says what it has found; what it could not
 * count is unknown, never zero. Each runs in a PID namespace of its own, so that it does not write to the standard
 * output of this machine's process 1. Needs root for that.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get } from "node:http";
import { describe, test } from "node:test";
import { batonCommand, type CommandResult, runCommand } from "../support/baton.ts";
import { type BareServer, startBare } from "../support/bare_server.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { CONTAINER, noContainer } from "../support/pid1.ts";
import { notPermitted, restrictedBy } from "../support/restrict.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";

const OPTIONS = { skip: noContainer, timeout: TEST_TIMEOUT_MS };
const MIN_MS = 300;
const MAX_MS = 1_200;
/**
 * The start of baton, of what restricts it, and of namespaces, on a busy machine; and two looks at tables with some
 * 100,000 rows of other tests.
 */
const OVERHEAD_MS = 10_000;
const ATTEMPTS = 5;
/** Another program of this machine may have the same port at another address. */
const BUSY = /\b[1-9]\d* connections are still busy/;
const NO_NETLINK = restrictedBy("netlink=EPERM");
/** Without the tables of /proc/PID/net, to which /proc/net leads. */
const NO_TABLES = [
  "unshare",
  "--pid",
  "--mount",
  "--fork",
  "--kill-child",
  "sh",
  "-c",
  'mount -t proc proc /proc && mount -t tmpfs none /proc/1/net && exec "$@"',
  "sh",
];

interface Hook {
  readonly port: number;
  readonly wrapper?: readonly string[];
  readonly maxMs?: number;
  /** Somebody at the control socket, who says this to everything. */
  readonly answer?: number;
}

async function answering(path: string, status: number): Promise<AsyncDisposable> {
  const other = createServer((_, response) => {
    response.writeHead(status, { connection: "close" }).end();
  });
  await once(other.listen(path), "listening");
  return { [Symbol.asyncDispose]: async () => void await once(other.close(), "close") };
}

/** @throws {AssertionError} when it takes longer than it may, or not even as long as it must */
async function prestop(
  { port, wrapper = CONTAINER, maxMs = MAX_MS, answer }: Hook,
): Promise<CommandResult> {
  using dir = tempDir();
  await using _other = answer === undefined ? null : await answering(dir.join("web.sock"), answer);
  const startedAt = performance.now();
  const result = await runCommand([
    ...wrapper,
    ...batonCommand(),
    "prestop",
    "--runtime-dir",
    dir.path,
    "--port",
    String(port),
    "--min",
    `${MIN_MS}ms`,
    "--quiet",
    "100ms",
    "--max",
    `${maxMs}ms`,
  ]);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= MIN_MS, `${tookMs} ms: ${result.stdout}${result.stderr}`);
  assert.ok(tookMs < MIN_MS + maxMs + OVERHEAD_MS, `${tookMs} ms: ${result.stderr}`);
  return result;
}

async function server(): Promise<{ server: BareServer; port: number } & AsyncDisposable> {
  const port = await freePort();
  const env = { PORT: String(port) };
  const server = await startBare({ command: fixtureCommand("node_http.js"), port, env });
  return { server, port, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function assertIs({ code, stdout, stderr }: CommandResult, status: number, said: RegExp): void {
  assert.equal(code, status, stdout + stderr);
  assert.match(stdout + stderr, said);
}

describe("baton prestop on its own", () => {
  for (const answer of [404, 500]) {
    test(`a baton that cannot drain, ${answer}: watches the port itself`, OPTIONS, async () => {
      assertIs(await prestop({ port: await freePort(), answer }), 71, /no server listens at \d+/);
    });
  }

  test("nobody listens: says so, after the least time", OPTIONS, async () => {
    assertIs(await prestop({ port: await freePort() }), 71, /no server listens at \d+/);
  });

  test(
    "another port than the server's was named: the same, and the server is left alone",
    OPTIONS,
    async () => {
      await using running = await server();
      assertIs(await prestop({ port: await freePort() }), 71, /no server listens at \d+/);
      assert.equal(running.server.exit, null);
    },
  );

  test("twice at once, and once more after TERM has ended the server", OPTIONS, async () => {
    await using running = await server();
    const hooks = [prestop({ port: running.port }), prestop({ port: running.port })];
    for (const hook of await Promise.all(hooks)) assertIs(hook, 0, /no more traffic at/);
    running.server.signal("SIGTERM");
    await running.server.exited;
    assertIs(await prestop({ port: running.port }), 71, /no server listens at/);
  });

  for (
    const [name, wrapper] of [["sock_diag", CONTAINER], ["/proc/net/tcp", [
      ...CONTAINER,
      ...NO_NETLINK,
    ]]] as const
  ) {
    test(
      `counts by ${name}: busy as long as a request is in flight, then empty`,
      OPTIONS,
      async () => {
        const [sent, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
        const held = createServer((_, response) => {
          sent.resolve();
          void release.promise.then(() => response.end("answer"));
        });
        const port = await freePort();
        await once(held.listen(port, "127.0.0.1"), "listening");
        try {
          const answer = once(get({ host: "127.0.0.1", port, agent: false }), "response");
          await sent.promise;
          let early: CommandResult;
          let attempts = 0;
          do {
            early = await prestop({ port, wrapper, maxMs: 300 });
            // In a table with 100,000 rows of other tests it may not come to this one in time, and knows that.
            assertIs(early, 124, new RegExp(`${BUSY.source}|could not be counted`));
          } while (!BUSY.test(early.stdout + early.stderr) && ++attempts < ATTEMPTS);
          assertIs(early, 124, BUSY);
          const hook = prestop({ port, wrapper, maxMs: 20_000 });
          release.resolve();
          assertIs(await hook, 0, /no more traffic at/);
          const [response] = await answer;
          assert.equal(response.statusCode, 200);
          response.resume();
        } finally {
          release.resolve();
          held.close();
        }
      },
    );
  }

  const skip = noContainer || notPermitted(NO_TABLES);
  test(
    "neither sock_diag nor /proc/net: unknown, and waited to the limit",
    { ...OPTIONS, skip },
    async () => {
      await using running = await server();
      const wrapper = [...NO_TABLES, ...NO_NETLINK];
      assertIs(await prestop({ port: running.port, wrapper }), 124, /could not be counted/);
      assert.equal(running.server.exit, null);
    },
  );
});
