/** What the service manager is told when another baton becomes the main process: its watchdog is fed meanwhile. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ServiceManager } from "../../../src/supervisor/service_manager.ts";
import type { NotifyClient } from "../../../src/systemd/notify_client.ts";

/** Writes down what it is asked to send. */
function recorder(): { said: string[]; client: NotifyClient } {
  const said: string[] = [];
  const client = {
    isConnected: true,
    watchdog: () => said.push("WATCHDOG"),
    send: (fields: Record<string, string>) => said.push(...Object.keys(fields)),
    barrier: () => said.push("BARRIER"),
    close: () => said.push("close"),
  };
  return { said, client: client as unknown as NotifyClient };
}

describe("ServiceManager", () => {
  for (const [watchdogUsec, feeds] of [["60000000", ["WATCHDOG"]], [undefined, []]] as const) {
    it(`hands over with a watchdog of ${watchdogUsec ?? "none"}`, () => {
      const { said, client } = recorder();
      const times = { readyTimeoutMs: 1, stopTimeoutMs: 1 };
      const manager = new ServiceManager({ client, watchdogUsec, ...times });
      said.length = 0;
      manager.becomeMain();
      assert.deepEqual(said, feeds, "what it said before was not believed");
      said.length = 0;
      manager.handOver(7);
      assert.deepEqual(said, [...feeds, "MAINPID", "BARRIER", "close"]);
    });
  }
});
