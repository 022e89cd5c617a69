/** Every dialect of passing descriptors, byte for byte: research notes, peers.md 1b. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseListenSpec } from "../../../src/config/values/listen_spec.ts";
import { serverEnvironment } from "../../../src/handoff/socket_protocols.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const specs = (...texts: readonly string[]) => texts.map(parseListenSpec);

describe("serverEnvironment()", () => {
  test("without listeners tells the epoch, and nothing else", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.deepEqual(serverEnvironment({ HOME: "/home/a" }, [], 4), {
      HOME: "/home/a",
      BATON_EPOCH: "4",
      BATON_WORKER: "0",
      RESTART_EPOCH: "4",
    });
  });

  test("with one listener speaks every dialect", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.deepEqual(serverEnvironment({}, specs("127.0.0.1:8080"), 0), {
      BATON_EPOCH: "0",
      BATON_WORKER: "0",
      RESTART_EPOCH: "0",
      LISTEN_FDS: "1",
      LISTEN_FDNAMES: "listen0",
      SERVER_STARTER_PORT: "127.0.0.1:8080=3",
      SERVER_STARTER_GENERATION: "1",
      EINHORN_FD_COUNT: "1",
      EINHORN_FD_0: "3",
      EINHORN_FDS: "3",
      BATON_FDS: "listen0=3",
    });
  });

  test("with several numbers them from 3 on, in the order of the flags", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const listeners = specs("web=0.0.0.0:80", "admin=127.0.0.1:9000", "v6=[::1]:81", "*:82");
    assert.deepEqual(serverEnvironment({ PATH: "/bin" }, listeners, 7), {
      PATH: "/bin",
      BATON_EPOCH: "7",
      BATON_WORKER: "0",
      RESTART_EPOCH: "7",
      LISTEN_FDS: "4",
      LISTEN_FDNAMES: "web:admin:v6:listen3",
      // start_server(1): a bare port for 0.0.0.0, brackets around IPv6.
      SERVER_STARTER_PORT: "80=3;127.0.0.1:9000=4;[::1]:81=5;[::]:82=6",
      SERVER_STARTER_GENERATION: "8",
      EINHORN_FD_COUNT: "4",
      EINHORN_FD_0: "3",
      EINHORN_FD_1: "4",
      EINHORN_FD_2: "5",
      EINHORN_FD_3: "6",
      EINHORN_FDS: "3 4 5 6",
      BATON_FDS: "web=3;admin=4;v6=5;listen3=6",
    });
  });

  test("does not set LISTEN_PID: only the launcher knows the server's pid", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const env = serverEnvironment({ LISTEN_PID: "1" }, specs("80"), 0);
    assert.equal("LISTEN_PID" in env, false);
  });

  for (
    const name of [
      "LISTEN_FDS",
      "LISTEN_PID",
      "LISTEN_FDNAMES",
      "LISTEN_PIDFDID",
      "NOTIFY_SOCKET",
      "WATCHDOG_USEC",
      "WATCHDOG_PID",
      "FDSTORE",
      "MAINPID",
      // Of start_server, einhorn or a baton around this one: their descriptors end here.
      "SERVER_STARTER_PORT",
      "SERVER_STARTER_GENERATION",
      "EINHORN_FD_COUNT",
      "EINHORN_FDS",
      "EINHORN_FD_0",
      "EINHORN_FD_12",
      "BATON_FDS",
    ]
  ) {
    test(`${name} was meant for baton and does not reach the server`, {
      timeout: TEST_TIMEOUT_MS,
    }, () => {
      const base = { [name]: "baton's own", OTHER: "kept" };
      assert.deepEqual(serverEnvironment(base, [], 0), {
        OTHER: "kept",
        BATON_EPOCH: "0",
        BATON_WORKER: "0",
        RESTART_EPOCH: "0",
      });
      assert.equal(base[name], "baton's own", "the base is as it was");
    });
  }

  test("of an outer baton or einhorn is overwritten", { timeout: TEST_TIMEOUT_MS }, () => {
    const outer = { BATON_EPOCH: "3", EINHORN_FD_0: "9", SERVER_STARTER_PORT: "1=9" };
    const env = serverEnvironment(outer, specs("127.0.0.1:8080"), 1);
    assert.deepEqual(
      [env["BATON_EPOCH"], env["EINHORN_FD_0"], env["SERVER_STARTER_PORT"]],
      ["1", "3", "127.0.0.1:8080=3"],
    );
  });
});
