/** Fault: the kernel or a container forbids what baton needs. Allowed outcome: `baton run` refuses before anything is started, with the way out, or works without it and loses nothing. */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, readdirSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, batonCommand, startBaton, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { listeners } from "../support/proc.ts";
import { buildGo, which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { notPermitted, processNumbered, restrictedBy } from "../support/restrict.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import {
  AS_NOBODY,
  CASES,
  DOCKER,
  HIDEPID,
  marked,
  NO_DOCKER,
  nobodyCannot,
  skip,
  WITHOUT_GETFD,
} from "../support/diagnosis.ts";

const TIMEOUT = { timeout: TEST_TIMEOUT_MS };

const RELOADS = repeats({ full: 3, quick: 1 });

const NOBODY = 65534;

const EXIT_SYSTEM = 71;

const EXIT_NEW_GENERATION_FAILED = 70;

const ALL_WORKS = "baton can hand over any server here.";

const USER_NAMESPACE = ["unshare", "--user", "--map-root-user"];

const OTHERS_PROC = ["unshare", "--pid", "--fork", "--kill-child"];

/** As systemd's ProcSubset=pid mounts it: no /proc/uptime, /proc/net, /proc/meminfo, /proc/sys. */
const SUBSET_SCRIPT = `mount -t proc -o subset=pid proc /proc && "$@"; exit $?`;

const PROC_SUBSET = [...OTHERS_PROC, "--mount", "sh", "-c", SUBSET_SCRIPT, "sh"];

const MDWE_SCRIPT = `import ctypes, os, sys
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0: sys.exit("no PR_SET_MDWE")
os.execvp(sys.argv[1], sys.argv[1:])`;

/** As systemd's MemoryDenyWriteExecute=yes; Linux 6.3. */
const MDWE = ["python3", "-c", MDWE_SCRIPT];

interface Attempt {
  readonly port: number;
  readonly wrapper?: readonly string[];
  readonly uid?: number;
  readonly flags?: readonly string[];
  readonly command?: readonly string[];
}

interface Refusal {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly lines: readonly string[];
}

/** `run` ends by itself, and nothing is left of it but the lock file of its name. */
async function refused({ port, command, ...options }: Attempt): Promise<Refusal> {
  const mark = `DOCTOR_TEST_MARK=${process.pid}.${port}`;
  const [name = "", value = ""] = mark.split("=");
  await using baton = await startBaton({
    command: [...command ?? fixtureCommand("node_http.js")],
    env: { PORT: String(port), [name]: value },
    ...options,
    expectFailure: true,
  });
  const { code } = await baton.exited;
  await waitUntil(() => marked(mark).length === 0, { what: "nothing is left behind" });
  assert.deepEqual(readdirSync(baton.dir.path).filter((file) => file !== "web.lock"), []);
  assert.equal(listeners().some((listener) => listener.port === port), false);
  const { stdout, stderr } = baton;
  return { code, stdout, stderr, lines: stderr.trimEnd().split("\n") };
}

/** Reloads under load: nothing is lost, and it stops in order. */
async function assertReloads(baton: Baton, port: number): Promise<void> {
  await using load = new Load({ port, clients: 4 }).start();
  for (let epoch = 1; epoch <= RELOADS; epoch++) {
    const report = await baton.reload();
    assert.equal(report.result, "ok", `${report.reason}\n${baton.stderr}`);
    assert.equal((await baton.settled()).epoch, epoch);
  }
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  assert.ok(tally.ok > RELOADS, formatTally(tally));
  assert.equal(tally.byBody.size, RELOADS + 1, formatTally(tally));
}

/** `run` works, and its reloads lose nothing. */
async function assertServes({ port, command, ...options }: Attempt): Promise<void> {
  await using baton = await startBaton({
    command: [...command ?? fixtureCommand("node_http.js")],
    env: { PORT: String(port) },
    ...options,
  });
  await assertReloads(baton, port);
  // Not `baton.stop()`: `unshare --fork` passes no signal on.
  process.kill(processNumbered((await baton.status()).pid, baton.pid), "SIGTERM");
  assert.equal((await baton.exited).code, 0, baton.stderr);
  assert.doesNotMatch(baton.stderr, / error: /);
}

const INHERITS = fixtureCommand("inherit_fd.js");

const listenAt = (port: number) => ["--listen", `web=127.0.0.1:${port}`];

describe("baton run", { skip }, () => {
  for (const { by, works, detail } of CASES.filter((each) => each.works === "inherit")) {
    test(`under ${by} refuses to adopt before anything is started`, TIMEOUT, async () => {
      const { code, lines } = await refused({
        port: await freePort(),
        wrapper: restrictedBy(by),
      });
      assert.equal(code, EXIT_SYSTEM);
      assert.equal(lines.length, 2, lines.join("\n"));
      assert.match(lines[0] ?? "", /^baton: Cannot adopt the server's sockets: /);
      assert.match(lines[0] ?? "", detail);
      assert.match(lines[1] ?? "", /^ {2}Consequence: .*use --listen.*"baton doctor"/);
    });

    test(`under ${by} with --listen loses nothing when reloaded`, TIMEOUT, async () => {
      const port = await freePort();
      const flags = listenAt(port);
      await assertServes({ port, flags, wrapper: restrictedBy(by), command: INHERITS });
    });
    assert.equal(works, "inherit");
  }

  test("without close_range(2) the server gets none of baton's descriptors", TIMEOUT, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: [...fixtureCommand("prints_fds.py")],
      env: { PORT: String(port) },
      wrapper: restrictedBy("close_range=EINVAL"),
    });
    const given = async () =>
      Object.keys((await (await fetch(`http://127.0.0.1:${port}/given`)).json()).fds).sort();
    assert.deepEqual(await given(), ["0", "1", "2"]);
    await assertReloads(baton, port);
    assert.deepEqual(await given(), ["0", "1", "2"], "of a later generation");
  });

  test("with --handoff inherit needs none of what adopt needs", TIMEOUT, async () => {
    const port = await freePort();
    const wrapper = restrictedBy("pidfd_getfd=EPERM", "pidfd_open=ENOSYS", "new_listener=EPERM");
    const flags = [...listenAt(port), "--handoff", "inherit"];
    await assertServes({ port, flags, wrapper, command: INHERITS });
  });

  for (const { by, detail } of CASES.filter((each) => each.works === "nothing")) {
    test(`under ${by} refuses, with --listen too`, TIMEOUT, async () => {
      const port = await freePort();
      for (const flags of [[], listenAt(port)]) {
        const wrapper = restrictedBy(by);
        const { code, lines } = await refused({ port, flags, wrapper, command: INHERITS });
        assert.equal(code, EXIT_SYSTEM);
        assert.match(lines[0] ?? "", /^baton: Cannot run here: /);
        assert.match(lines[0] ?? "", detail);
        assert.match(lines[1] ?? "", /"baton doctor"/);
      }
    });
  }

  test("when adopt is impossible a server that ignores --listen fails", TIMEOUT, async () => {
    const port = await freePort();
    const flags = [...listenAt(await freePort()), "--ready-timeout", "2s"];
    const wrapper = restrictedBy("new_listener=EPERM");
    const { code, stderr } = await refused({ port, flags, wrapper });
    assert.equal(code, EXIT_NEW_GENERATION_FAILED);
    assert.match(stderr, /generation 0 failed: not ready within 2 s: it does not listen at/);
  });

  for (const listen of [false, true]) {
    const how = listen ? "with --listen" : "without --listen";
    test(`below a baton that adopts refuses, ${how}`, TIMEOUT, async () => {
      using dir = tempDir();
      const port = await freePort();
      const flags = listen ? listenAt(port) : [];
      const inner = [...batonCommand(), "run", "--runtime-dir", dir.path, "--name", "inner"];
      const { code, stderr } = await refused({
        port,
        command: [...inner, ...flags, "--", ...INHERITS],
      });
      assert.equal(code, EXIT_SYSTEM);
      assert.match(
        stderr,
        /^baton: Cannot run here: a baton above this one: it adopts every socket/m,
      );
      assert.deepEqual(readdirSync(dir.path), [], "nothing is left behind");
    });
  }

  test("below a baton that only passes descriptors is not in its way", TIMEOUT, async () => {
    const port = await freePort();
    const flags = [...listenAt(port), "--handoff", "inherit"];
    const { stdout } = await refused({ port, flags, command: [...batonCommand(), "doctor"] });
    assert.match(stdout, /^ok {4}a baton above this one: none$/m);
    assert.match(stdout, new RegExp(`^${ALL_WORKS}$`, "m"));
  });

  const mdwe = {
    ...TIMEOUT,
    skip: UNDER_TEST === "bun" ? notPermitted(MDWE) : "Deno itself panics",
  };
  test("where memory may not be executed that was written refuses, and says so", mdwe, async () => {
    const { code, lines } = await refused({ port: await freePort(), wrapper: MDWE });
    assert.equal(code, EXIT_SYSTEM);
    assert.match(
      lines[0] ?? "",
      /^baton: Cannot load any of libc.so.6, .*: bun:ffi requires the JIT$/,
    );
    assert.match(lines[1] ?? "", /^ {2}.* leave out systemd's MemoryDenyWriteExecute=/);
    assert.equal(lines.length, 2, lines.join("\n"));
  });

  const foreign = { ...TIMEOUT, skip: notPermitted(OTHERS_PROC) };
  test("under the /proc of another PID namespace refuses", foreign, async () => {
    const { code, lines } = await refused({ port: await freePort(), wrapper: OTHERS_PROC });
    assert.equal(code, EXIT_SYSTEM);
    assert.match(
      lines[0] ?? "",
      /^baton: Cannot run here: .*another PID namespace: mount it again/,
    );
  });

  const surroundings: [string, string | false, Omit<Attempt, "port">][] = [
    ["in a user namespace", notPermitted(USER_NAMESPACE), { wrapper: USER_NAMESPACE }],
    ["with Docker's capabilities", NO_DOCKER, { wrapper: DOCKER }],
    ["with hidepid", nobodyCannot(HIDEPID), { wrapper: HIDEPID }],
    ["with ProcSubset=pid", notPermitted(PROC_SUBSET), { wrapper: PROC_SUBSET }],
    ["as an ordinary user", nobodyCannot(), { uid: NOBODY }],
    [
      "as an ordinary user with no_new_privs",
      nobodyCannot(),
      { uid: NOBODY, wrapper: ["setpriv", "--no-new-privs"] },
    ],
  ];
  for (const [where, skip, options] of surroundings) {
    test(`${where} adopts, and loses nothing`, { ...TIMEOUT, skip }, async () => {
      await assertServes({ port: await freePort(), ...options });
    });
  }

  for (const by of WITHOUT_GETFD) {
    test(`under ${by} adopts, and loses nothing`, TIMEOUT, async () => {
      await assertServes({ port: await freePort(), wrapper: restrictedBy(by) });
    });
  }

  const docker = { ...TIMEOUT, skip: NO_DOCKER };
  test("root without CAP_SYS_PTRACE adopts a server that changes its user", docker, async () => {
    const command = [...AS_NOBODY, ...fixtureCommand("node_http.js")];
    await assertServes({ port: await freePort(), wrapper: DOCKER, command });
  });

  const unreadable = { ...TIMEOUT, skip: nobodyCannot() || (which("go") === null && "no go") };
  test(
    "names the way out for a server whose program its user may not read",
    unreadable,
    async () => {
      using dir = tempDir();
      chmodSync(dir.path, 0o755);
      const program = dir.join("server");
      copyFileSync(buildGo(), program);
      chmodSync(program, 0o711);
      const attempt = { port: await freePort(), uid: NOBODY, command: [program] };
      const { code, stderr } = await refused(attempt);
      assert.equal(code, EXIT_NEW_GENERATION_FAILED);
      assert.match(stderr, /generation 0 failed: .*EPERM.*--duplicates socket-trap/);
      // As the message says.
      await assertServes({ ...attempt, flags: ["--duplicates", "socket-trap"] });
    },
  );
});
