/**
 * What the table of wrappers says is what they do here: they become the program, or stay in front of it. And a server
 * behind one is stopped with its own signal, or baton says why not.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { commandLine, staysInFront } from "../../src/config/servers/command_line.ts";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findPython, fixture, required, which } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const AS_ROOT = process.getuid?.() === 0;

/** Each starts cat; "#" for those that only root may use. */
const LINES: readonly string[] = `
env -u HOME A=1
nice -n 1
ionice -c 3
chrt -o 0
taskset -c 0
taskset 1
nohup
stdbuf -oL
# setpriv --reuid 65534 --clear-groups
prlimit --nofile=100
setarch -R
# chroot /
# unshare -m
# unshare --fork -m
gosu nobody
numactl --localalloc
setsid
setsid --wait
tini -s --
dumb-init
timeout 600
# runuser -u nobody --
flock /dev/null
flock -F /dev/null
bash -c exec
sh -c exec
time`.trim().split("\n");

function name(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

describe("a process that is started behind a wrapper", () => {
  for (const line of LINES) {
    const needsRoot = line.startsWith("# ");
    const words = line.replace("# ", "").split(" ");
    const [wrapper = ""] = words;
    const missing = which(wrapper) === null ? `${wrapper} is not installed` : false;
    const skip = needsRoot && !AS_ROOT ? "only root may" : missing;
    const isShell = words[2] === "exec";
    const command = isShell ? [wrapper, "-c", "cd / && exec cat"] : [...words, "cat"];
    const { front } = commandLine(command);
    const expected = front === null ? "cat" : front.way === "leaves" ? "its end" : wrapper;
    test(`${words.join(" ")}: is ${expected}`, { ...TEST, skip }, async () => {
      // It leads a process group, as under baton. All end with the pipe.
      const stdio = ["pipe", "pipe", "ignore"] as const;
      const child = spawn(command[0]!, command.slice(1), { detached: true, stdio: [...stdio] });
      const closed = new Promise((resolve) => child.once("close", resolve));
      const pid = child.pid!;
      try {
        const seen = () => child.exitCode !== null ? "its end" : name(pid);
        await waitUntil(() => seen() === expected, { what: `${words.join(" ")} is ${expected}` });
        if (front === null || front.way === "leaves") return;
        // With a child it cannot become another program any more.
        const below = () => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
        await waitUntil(() => name(Number(below().split(" ")[0])) === "cat", {
          what: "it has a child",
        });
        assert.equal(name(pid), wrapper);
      } finally {
        child.stdin?.end();
        await closed;
      }
    });
  }
});

/** Notes which signal it got, in a file, and ends. Its name decides the preset. */
const SERVER = `#!PYTHON
import os, signal, socket, sys
def end(number, _):
    open("NOTE", "a").write(signal.Signals(number).name + "\\n")
    os._exit(0)
for name in "TERM INT QUIT WINCH".split():
    signal.signal(getattr(signal, "SIG" + name), end)
server = socket.create_server(("127.0.0.1", PORT))
while True: server.accept()[0].close()
`;

describe("nginx", () => {
  const cases: [
    what: string,
    command: (program: string) => string[],
    signals: string,
    notice: RegExp | null,
  ][] = [
    ["alone", (program) => [program], "SIGQUIT", null],
    ["behind sh -c exec", (program) => ["sh", "-c", `exec ${program}`], "SIGQUIT", null],
    // Whether a shell becomes its last command differs; here it cannot.
    [
      "behind a shell that stays",
      (program) => ["bash", "-c", `${program}; true`],
      "SIGQUIT",
      /bash stays in front of nginx and gets its signals: put exec before it/,
    ],
    ["behind env and nice", (program) => ["env", "A=1", "nice", program], "SIGQUIT", null],
    ["behind timeout", (program) => ["timeout", "600", program], "SIGQUIT", null],
  ];
  for (const [what, command, signals, notice] of cases) {
    test(`${what}: is stopped with ${signals}`, TEST, async () => {
      using dir = tempDir("wrapped");
      const [program, note] = [dir.join("nginx"), dir.join("note")];
      const text = SERVER.replace("NOTE", note).replace("PORT", String(await freePort()))
        .replace("PYTHON", required("python3", findPython()));
      writeFileSync(program, text, { mode: 0o755 });
      await using baton = await startBaton({ command: command(program), env: {}, flags: [] });
      const warned = () => /stays in front/.test(baton.stderr);
      assert.equal(warned(), notice !== null, baton.stderr);
      if (notice !== null) assert.match(baton.stderr, notice);
      const { code } = await baton.stop();
      assert.equal(readFileSync(note, "utf8").trim(), signals, baton.stderr);
      assert.equal(code, 0, baton.stderr);
    });
  }
});

test("a shell that stays is known by its name", () => {
  const line = commandLine(["sh", "-c", "nginx"]);
  assert.deepEqual(["sh", "bash", "nginx"].map((each) => staysInFront(line, each)), [
    true,
    true,
    false,
  ]);
});

test("a server with another root directory reaches its NOTIFY_SOCKET: it has a name, not a path", {
  ...TEST,
  skip: AS_ROOT ? false : "only root may",
}, async () => {
  const python = required("python3", findPython());
  await using baton = await startBaton({
    command: ["chroot", "/", python, fixture("sd_notify.py")],
    env: { PORT: String(await freePort()), MS: "1" },
    flags: ["--ready", "notify"],
  });
  const { generations: [first] } = await baton.status();
  const names = readFileSync(`/proc/${first?.pid}/environ`, "utf8").split("\0");
  assert.match(
    names.find((each) => each.startsWith("NOTIFY_SOCKET=")) ?? "",
    /^NOTIFY_SOCKET=@baton-notify-/,
  );
  assert.match(baton.stderr, /sent READY=1/);
});
