/**
 * The promise: a server that ends with a status of its own at its stop signal has ended well, if that is known of it or
 * --clean-exit says so; and only then.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findPython, required, which } from "../support/programs.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const AS_ROOT = process.getuid?.() === 0;

const ENDS_WITH_3 = `
import os, signal, socket
signal.signal(signal.SIGTERM, lambda *_: os._exit(3))
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True: server.accept()[0].close()
`;

/** Each prepares its files, and returns its command. None of them ends with 0. */
const SERVERS: Readonly<Record<string, (dir: TempDir, port: number) => string[]>> = {
  dropbear: (dir, port) => {
    execFileSync("dropbearkey", ["-t", "ed25519", "-f", dir.join("key")], { stdio: "ignore" });
    return [
      "dropbear",
      "-F",
      "-E",
      "-P",
      dir.join("pid"),
      "-r",
      dir.join("key"),
      "-p",
      `127.0.0.1:${port}`,
    ];
  },
  privoxy: (dir, port) => {
    const lines = [
      `listen-address 127.0.0.1:${port}`,
      "confdir /etc/privoxy",
      `logdir ${dir.path}`,
    ];
    writeFileSync(dir.join("config"), lines.join("\n") + "\n");
    return ["privoxy", "--no-daemon", dir.join("config")];
  },
};

describe("a server that ends with a status of its own at TERM", () => {
  for (
    const [flags, expected] of [[[], 3], [["--clean-exit", "1,3"], 0], [
      ["--clean-exit", "1"],
      3,
    ]] as const
  ) {
    test(`3, with "${flags.join(" ")}": ${expected}`, TEST, async () => {
      await using baton = await startBaton({
        command: [required("python3", findPython()), "-c", ENDS_WITH_3],
        env: { PORT: String(await freePort()) },
        flags,
      });
      const { code, stdout } = await baton.cli("stop");
      const more = expected === 0 ? "" : "; its server exited with status 3";
      assert.deepEqual([code, stdout], [0, `web has stopped${more}\n`]);
      assert.equal((await baton.exited).code, expected, baton.stderr);
    });
  }

  for (const [name, prepare] of Object.entries(SERVERS)) {
    const found = which(name) ?? which(`/usr/sbin/${name}`);
    const skip = found === null
      ? `${name} is not installed`
      : AS_ROOT
      ? false
      : "only root may read its files";
    test(`${name}: baton ends with 0`, { ...TEST, skip }, async () => {
      using dir = tempDir("own");
      const [, ...words] = prepare(dir, await freePort());
      await using baton = await startBaton({ command: [found!, ...words], env: {}, flags: [] });
      const { code, stdout } = await baton.cli("stop");
      assert.deepEqual([code, stdout], [0, "web has stopped\n"], baton.stderr);
      assert.equal((await baton.exited).code, 0, baton.stderr);
    });
  }
});
