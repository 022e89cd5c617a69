/** Fault: clients of `--admin` that do not behave, and have no token. Allowed outcome: they get an answer, and no other client notices. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { askAdmin, BEARER, tokenFile } from "../support/admin_client.ts";
import { startBaton } from "../support/baton.ts";
import { openStream } from "../support/event_reader.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const MOST_CONNECTIONS = 64;
const MOST_READERS = 100;
const HOST = "HTTP/1.1\r\nHost: 127.0.0.1\r\n";

async function start(dir: TempDir) {
  const admin = await freePort();
  const port = await freePort();
  const baton = await startBaton({
    command: fixtureCommand("node_http.js"),
    env: { PORT: String(port) },
    flags: ["--admin", `127.0.0.1:${admin}`, "--admin-token-file", tokenFile(dir)],
  });
  const clients: Socket[] = [];
  /** A client that says something, and reads nothing until it is asked for. */
  const say = async (bytes: string | Uint8Array) => {
    const client = connect(admin, "127.0.0.1");
    client.on("error", () => {}).pause();
    clients.push(client);
    await new Promise<void>((resolve) => client.once("connect", resolve));
    await new Promise<void>((resolve) => client.write(bytes, () => resolve()));
    return client;
  };
  return {
    baton,
    port,
    admin: { port: admin },
    say,
    /** All that it gets. */
    ask: async (bytes: string | Uint8Array) => {
      const client = await say(bytes);
      let text = "";
      client.setEncoding("latin1").on("data", (part) => text += part).resume();
      await waitUntil(() => client.destroyed || client.readableEnded, { what: "it is closed" });
      return text;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.destroy();
      await baton[Symbol.asyncDispose]();
    },
  };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

describe("the address of --admin", () => {
  test("answers odd requests, and none of them with a failure of its own", TEST, async () => {
    using dir = tempDir();
    await using service = await start(dir);
    const table: [what: string, bytes: string | Uint8Array, status: number][] = [
      ["a method that fetch refuses", `TRACE /ready ${HOST}\r\n`, 405],
      ["a method of others", `PURGE /ready ${HOST}\r\n`, 405],
      ["the absolute form", `GET http://127.0.0.1/ready ${HOST}\r\n`, 200],
      ["the absolute form of another", `GET http://evil.example.com/ready ${HOST}\r\n`, 403],
      ["UTF-8 in a header", bytesOf(`GET /ready ${HOST}X: \u65e5\u672c\r\n\r\n`), 200],
      ["no UTF-8 in a header", Buffer.from(`GET /ready ${HOST}X: \xff\xfe\r\n\r\n`, "latin1"), 200],
      ["a zero in a header", `GET /ready ${HOST}X: a\0b\r\n\r\n`, 400],
      ["names of every object", `GET /ready ${HOST}__proto__: a\r\nconstructor: b\r\n\r\n`, 200],
      [
        "a token of other characters",
        bytesOf(`POST /v1/stop ${HOST}Authorization: Bearer \u65e5\r\n\r\n`),
        401,
      ],
      ["HTTP/1.0", "GET /ready HTTP/1.0\r\n\r\n", 200],
      ["a long target", `GET /${"a".repeat(3_000)} ${HOST}\r\n`, 414],
      ["half an escape", `GET /% ${HOST}\r\n`, 404],
      ["bytes that are no text", `GET /%e0%a4%a ${HOST}\r\n`, 404],
      ["a hidden name", `POST /v1/%72eload ${HOST}\r\n`, 401],
      ["a long way up", `GET /../..//../ready ${HOST}\r\n`, 200],
      ["more requests than it reads at once", `GET /ready ${HOST}\r\n`.repeat(3_000), 200],
    ];
    for (const [what, bytes, status] of table) {
      const answer = await service.ask(bytes);
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), `${what}: ${answer.slice(0, 300)}`);
    }
    const waits = await service.say(
      `POST /v1/none ${HOST}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
    );
    let said = "";
    waits.on("data", (part) => said += part).resume();
    await waitUntil(() => said.startsWith("HTTP/1.1 100 Continue\r\n\r\n"), {
      what: "it may send",
    });
    waits.write("{}");
    await waitUntil(() => /^HTTP\/1.1 401 /m.test(said), { what: "it is answered" });
  });

  test(
    "answers others beside readers that do not read, and reloads lose nothing",
    TEST,
    async () => {
      using dir = tempDir();
      await using service = await start(dir);
      const { baton, say, admin } = service;
      for (let i = 0; i < MOST_READERS; i++) {
        const reader = await say(`GET /v1/events?since=0&events=* ${HOST}\r\n`);
        await new Promise<void>((resolve) => reader.once("readable", resolve));
      }
      for (let i = 0; i < MOST_CONNECTIONS; i++) await say(`GET / ${HOST}\r\n`.repeat(20));
      await using load = new Load({ port: service.port });
      load.start();
      const { response, close } = await openStream(baton);
      assert.equal(
        response.statusCode,
        200,
        "the readers at the address take no place of the owner",
      );
      close();
      for (let i = 0; i < 2; i++) {
        assert.equal((await askAdmin(admin, "POST", "/v1/reload", BEARER)).status, 200);
        await baton.settled();
      }
      assert.equal((await askAdmin(admin, "GET", "/ready")).text, "LIVE\n");
      const tally = await load.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
    },
  );

  test("writes down a reload whose client does not wait for it", TEST, async () => {
    using dir = tempDir();
    await using service = await start(dir);
    const { baton, say } = service;
    const client = await say(
      `POST /v1/reload ${HOST}Authorization: ${BEARER.authorization}\r\n\r\n`,
    );
    await waitUntil(async () => (await baton.status()).generations.length > 1, {
      what: "the reload is under way",
    });
    client.resetAndDestroy();
    await waitUntil(
      () => /admin: POST \/v1\/reload from 127\.0\.0\.1:\d+: 200/.test(baton.stderr),
      {
        what: "it is in the log",
      },
    );
  });

  test("is not taken by a takeover of another service that names it", TEST, async () => {
    using dir = tempDir();
    const admin = await freePort();
    const server = async (flags: string[]) => ({
      command: fixtureCommand("node_http.js"),
      env: { PORT: String(await freePort()) },
      flags,
    });
    const handoff = ["--handoff-socket", dir.join("handoff")];
    await using owner = await startBaton(await server(["--admin", `127.0.0.1:${admin}`]));
    await using old = await startBaton(await server(handoff));
    const flags = [...handoff, "--takeover", dir.join("handoff"), "--admin", `127.0.0.1:${admin}`];
    await using next = await startBaton({ ...await server(flags), expectFailure: true });
    await next.exited;
    assert.match(next.stderr, /Cannot serve the admin API at .*EADDRINUSE/);
    const { pid } = JSON.parse((await askAdmin({ port: admin }, "GET", "/v1/status")).text);
    assert.equal(pid, owner.pid, "its clients reach the service that they mean");
    assert.equal((await old.status()).epoch, 0, "the other one serves on");
  });
});
