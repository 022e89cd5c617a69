/** A NOTIFY_SOCKET has a place, whatever becomes of the runtime directory. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import type { Platform } from "../../../src/platform/platform.ts";
import { isOpenToOthers } from "../../../src/systemd/notify_path.ts";
import { NotifyServer } from "../../../src/systemd/notify_server.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type TempDir, tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const IS_ROOT = process.getuid!() === 0;

interface World {
  readonly platform: Platform;
  readonly dir: TempDir;
  readonly messages: string[];
  serve(): NotifyServer;
  /** As a server does: opens the path each time. */
  send(path: string, status: string): void;
}

async function withWorld(use: (world: World) => Promise<void> | void): Promise<void> {
  await using platform = await testPlatform();
  using dir = tempDir();
  const messages: string[] = [];
  const servers: NotifyServer[] = [];
  try {
    await use({
      ...{ platform, dir, messages },
      serve: () => {
        const server = new NotifyServer(
          platform,
          dir.join("web.notify.0"),
          () => true,
          (message) => {
            messages.push(message.get("STATUS") ?? "");
          },
        );
        servers.push(server);
        return server;
      },
      send: (path, status) => {
        using client = platform.sockets.datagramTo(path);
        platform.descriptors.send(client, new TextEncoder().encode(`STATUS=${status}`));
      },
    });
  } finally {
    servers.forEach((server) => server.close());
  }
  assert.equal(platform.reactor.size, 0);
  for (const { path } of servers) assert.equal(existsSync(path), false, `${path} is left`);
}

describe("the place of a NOTIFY_SOCKET", () => {
  test(
    "is the runtime directory, where that can be used",
    OPTIONS,
    () =>
      withWorld(({ dir, serve }) => {
        const { path, notice } = serve();
        assert.equal(path, dir.join("web.notify.0"));
        assert.equal(notice, null);
      }),
  );

  const lost: [string, (dir: TempDir) => void, RegExp][] = [
    ["it is gone", (dir) => rmSync(dir.path, { recursive: true }), /is gone, or may not be seen/],
    ["others may write to it", (dir) => chmodSync(dir.path, 0o777), /Cannot trust/],
  ];
  for (const [what, act, wanted] of lost) {
    test(
      `is another directory when ${what}`,
      OPTIONS,
      () =>
        withWorld(async ({ dir, serve, send, messages }) => {
          act(dir);
          const { path, notice } = serve();
          assert.match(String(notice), wanted);
          assert.notEqual(dirname(path), dir.path);
          assert.equal(statSync(dirname(path)).mode & 0o777, 0o711);
          send(path, "up");
          await waitUntil(() => messages.length === 1, { what: "it is heard" });
        }),
    );
  }

  test("is another directory when the server may become a user who cannot enter", {
    ...OPTIONS,
    skip: !IS_ROOT && "only root's servers can become another user",
  }, () =>
    withWorld(({ dir, serve }) => {
      chmodSync(dir.path, 0o700);
      const { path, notice } = serve();
      assert.notEqual(dirname(path), dir.path);
      assert.ok(isOpenToOthers(dirname(path)));
      assert.equal(notice, null, "nothing is wrong");
    }));

  test(
    "is bound again when the socket was removed; who was connected is still heard",
    OPTIONS,
    () =>
      withWorld(async ({ platform, dir, serve, send, messages }) => {
        const server = serve();
        using connected = platform.sockets.datagramTo(server.path);
        for (const round of ["1", "2"]) {
          rmSync(server.path);
          assert.equal(server.isInPlace, false);
          server.restore();
          assert.equal(server.isInPlace, true);
          send(server.path, `new ${round}`);
          platform.descriptors.send(connected, new TextEncoder().encode(`STATUS=old ${round}`));
          await waitUntil(() => messages.length === 2, { what: "both are heard" });
          assert.deepEqual(messages.splice(0).sort(), [`new ${round}`, `old ${round}`]);
        }
        assert.equal(server.path, dir.join("web.notify.0"));
      }),
  );

  test("what another has put there is not removed", OPTIONS, () =>
    withWorld(({ dir, serve }) => {
      const server = serve();
      mkdirSync(dir.join("x"));
      rmSync(server.path);
      const other = dir.write("other", "");
      renameSync(other, server.path);
      server.close();
      assert.ok(existsSync(server.path));
      rmSync(server.path);
    }));
});
