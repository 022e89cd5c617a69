/**
 * Promise: the admin API is the same behind both of its doors; at an address it reads to all and changes something for
 * those with a token only; and whatever clients do there, baton serves and reloads on.
 */
import assert from "node:assert/strict";
import { chmodSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import {
  askAdmin,
  BEARER,
  type Door,
  operationsOf,
  TOKEN,
  tokenFile,
} from "../support/admin_client.ts";
import { type Baton, batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive } from "../support/proc.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
/** What ends the service, or lasts, is asked elsewhere. */
const NOT_HERE = [
  "/quitquitquit",
  "/v1/stop",
  "/v1/drain",
  "/drain_listeners",
  "/v1/upgrade",
  "/v1/events",
];

interface Service extends AsyncDisposable {
  readonly baton: Baton;
  readonly admin: { readonly port: number };
  readonly control: Door;
}

async function start(dir: TempDir, flags: readonly string[] = []): Promise<Service> {
  const admin = { port: await freePort() };
  const baton = await startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(await freePort()) },
    flags: ["--admin", `127.0.0.1:${admin.port}`, "--admin-token-file", tokenFile(dir), ...flags],
  });
  const control = { socketPath: baton.socketPath };
  return { baton, admin, control, [Symbol.asyncDispose]: () => baton[Symbol.asyncDispose]() };
}

describe("the admin API", () => {
  test("answers alike at both doors, and at --admin a change takes a token", OPTIONS, async () => {
    using dir = tempDir();
    await using service = await start(dir);
    const { admin, control } = service;
    const document = (await askAdmin(control, "GET", "/openapi.json")).text;
    const operations = operationsOf(document).filter(({ path }) => !NOT_HERE.includes(path));
    assert.ok(operations.length > 15, `${operations.length} operations`);
    for (const { method, path } of operations) {
      const name = `${method} ${path}`;
      const [here, there, stranger] = [
        await askAdmin(control, method, path),
        await askAdmin(admin, method, path, BEARER),
        await askAdmin(admin, method, path),
      ];
      assert.equal(there.status, here.status, name);
      assert.equal(there.headers["content-type"], here.headers["content-type"], name);
      assert.equal(stranger.status, method === "GET" ? here.status : 401, name);
      assert.notEqual(here.status, 404, name);
      const [other] = method === "GET" ? ["PUT"] : ["GET"];
      const wrong = await askAdmin(control, other!, path);
      assert.ok([405, here.status].includes(wrong.status), `${other} ${path}: ${wrong.status}`);
      if (method === "POST") assert.equal(wrong.status, 405, `${other} ${path}`);
    }
    assert.match(service.baton.stderr, /admin: POST \/v1\/reload from 127\.0\.0\.1:\d+: 401/);
    assert.doesNotMatch(service.baton.stderr, new RegExp(TOKEN));

    // A new token counts at once, and none does while others can read the file.
    const path = dir.join("token");
    const reload = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await askAdmin(service.admin, "POST", "/v1/reload", headers)).status;
    };
    assert.deepEqual([await reload(TOKEN), await reload(`${TOKEN}0`)], [200, 401]);
    writeFileSync(path, `${TOKEN}0\n`);
    assert.deepEqual([await reload(TOKEN), await reload(`${TOKEN}0`)], [401, 200]);
    chmodSync(path, 0o644);
    assert.equal(await reload(`${TOKEN}0`), 503);
  });

  test(
    "starts with no file of tokens that it refuses, and with no address of another",
    OPTIONS,
    async () => {
      using dir = tempDir();
      await using service = await start(dir);
      const at = `127.0.0.1:${service.admin.port}`;
      writeFileSync(dir.join("open"), TOKEN, { mode: 0o644 });
      chmodSync(dir.join("open"), 0o644);
      const other = `127.0.0.1:${await freePort()}`;
      const pipe = dir.join("pipe");
      assert.equal((await runCommand(["mkfifo", "-m", "600", pipe])).code, 0);
      const table: [flags: string[], code: number, text: RegExp][] = [
        [["--admin", at], 75, /Cannot serve the admin API at .*EADDRINUSE[^]*another address/],
        [["--admin", other, "--admin-token-file", dir.join("open")], 64, /its mode is 0644/],
        [["--admin", `unix:${dir.join("open")}`], 75, /open is not a socket/],
        [["--admin", other, "--admin-token-file", pipe], 64, /pipe: it is not a file/],
      ];
      for (const [flags, code, text] of table) {
        const run = ["run", "--name", "other", "--runtime-dir", dir.path, ...flags];
        const words = [...batonCommand(), ...run, "--", "sleep", "60"];
        const ended = await runCommand(["timeout", "10", ...words]);
        assert.equal(ended.code, code, ended.stderr);
        assert.match(ended.stderr, text);
      }
    },
  );

  test("serves and reloads on, whatever crowds its port", OPTIONS, async () => {
    using dir = tempDir();
    await using service = await start(dir);
    const { port } = service.admin;
    const clients: Socket[] = [];
    const say = (text: string) => {
      const client = connect(port, "127.0.0.1", () => client.write(text));
      client.on("error", () => {});
      client.resume();
      clients.push(client);
      return client;
    };
    // Those that come after a client with a question may take its place.
    const crowdIsIn = () =>
      waitUntil(() => clients.every(({ connecting }) => !connecting), { what: "the crowd is in" });
    const answerTo = async (text: string) => {
      const client = say(text);
      let answer = "";
      client.on("data", (bytes) => answer += bytes);
      await waitUntil(() => client.destroyed || client.readableEnded, { what: "it is closed" });
      return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
    };
    try {
      for (let i = 0; i < 500; i++) say("");
      for (let i = 0; i < 50; i++) say("GET /ready HTTP/1.1\r\nX: ");
      await crowdIsIn();
      assert.equal(await answerTo(`GET /ready HTTP/1.1\r\nX: ${"x".repeat(20_000)}`), 431);
      assert.equal(await answerTo(`GET /ready HTTP/1.1\r\n${"X: x\r\n".repeat(200)}\r\n`), 431);
      assert.equal(
        await answerTo("GET /ready HTTP/1.1\r\nHost: a\r\nHost: 127.0.0.1\r\n\r\n"),
        400,
      );
      assert.equal(
        await answerTo("POST /v1/reload HTTP/1.1\r\nContent-Length: 99999\r\n\r\n"),
        413,
      );
      assert.equal(await answerTo("nonsense\r\n\r\n"), 400);
      for (let i = 0; i < repeats({ full: 10, quick: 1 }); i++) {
        const { status } = await askAdmin(service.admin, "POST", "/v1/reload", BEARER);
        assert.equal(status, 200);
        assert.equal((await service.baton.cli("reload")).code, 0, "by the control socket");
        for (let k = 0; k < 100; k++) say("");
        await crowdIsIn();
      }
      assert.equal((await askAdmin(service.admin, "GET", "/ready")).text, "LIVE\n");
    } finally {
      for (const client of clients) client.destroy();
    }
  });

  test("refuses no client while baton is upgraded, by a child and in place", OPTIONS, async () => {
    using dir = tempDir();
    await using service = await start(dir);
    const { admin, control, baton } = service;
    let isOver = false;
    let count = 0;
    const failures: unknown[] = [];
    const scrape = async () => {
      while (!isOver) {
        const answer = await askAdmin(admin, "GET", "/ready").catch((error) => error);
        if (answer.status !== 200) failures.push(answer);
        count++;
      }
    };
    const scrapes = [scrape(), scrape()];
    const pids: number[] = [];
    try {
      for (let i = 0; i < repeats({ full: 5, quick: 1 }); i++) {
        for (const path of ["/v1/upgrade", "/v1/upgrade?in_place=1"]) {
          const before = await baton.status();
          // In place there is no answer.
          await askAdmin(control, "POST", path).catch(() => null);
          const after = await waitUntil(async () => {
            const status = await baton.status();
            const isNew = status.pid !== before.pid || status.incarnation > before.incarnation;
            return isNew && (status.pid === before.pid || !alive(before.pid)) ? status : null;
          }, { what: `${path} is done\n${baton.stderr}` });
          pids.push(after.pid);
          const seen = count;
          await waitUntil(() => count > seen + 20, { what: "the new one is asked" });
          const told = JSON.parse((await askAdmin(admin, "GET", "/v1/status")).text);
          assert.equal(told.pid, after.pid, "the new one answers, and no other");
        }
      }
    } finally {
      isOver = true;
      await Promise.all(scrapes);
      const last = pids.at(-1);
      if (last !== undefined && last !== baton.pid) await endOther(last);
    }
    assert.deepEqual(failures, [], `${failures.length} of ${count}\n${baton.stderr}`);
  });

  test(
    "at a Unix socket has the mode that it is given, and is left to the next baton",
    OPTIONS,
    async () => {
      using dir = tempDir();
      const path = dir.join("admin.sock");
      const baton = await startBaton({
        command: fixtureCommand("node_http.js"),
        env: { PORT: String(await freePort()) },
        flags: ["--admin", `unix:${path},mode=0660`],
      });
      await using _running = baton;
      assert.equal(statSync(path).mode & 0o777, 0o660);
      // A proxy's business: no browser connects to a path.
      const headers = { host: "status.example.com", origin: "https://other.example.com" };
      assert.equal((await askAdmin({ socketPath: path }, "GET", "/ready", headers)).text, "LIVE\n");
      assert.equal((await askAdmin({ socketPath: path }, "POST", "/v1/reload")).status, 403);
      await askAdmin({ socketPath: baton.socketPath }, "POST", "/v1/upgrade");
      const { pid } = await baton.status();
      try {
        assert.notEqual(pid, baton.pid);
        const told = JSON.parse((await askAdmin({ socketPath: path }, "GET", "/v1/status")).text);
        assert.equal(told.pid, pid);
      } finally {
        await endOther(pid);
      }
      assert.equal(
        statSync(path, { throwIfNoEntry: false }),
        undefined,
        "it is removed at the end",
      );
    },
  );
});

async function endOther(pid: number): Promise<void> {
  process.kill(pid, "SIGTERM");
  await waitUntil(() => !alive(pid), { what: "the next baton has ended" });
}
