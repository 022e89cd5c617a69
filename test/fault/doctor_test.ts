/**
 * Fault: the kernel or the container forbids something that baton needs.
 *
 * Allowed outcome: `doctor` names what is missing, what follows and what to do; `run` works by another way of handing
 * over, with no request lost, or refuses with that message before anything was started.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { Capability } from "../../src/handoff/capabilities.ts";
import { type Baton, batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { listeners } from "../support/proc.ts";
import { buildGo, which } from "../support/programs.ts";
import {
  notPermitted,
  processNumbered,
  restrictedBy,
  type Restriction,
} from "../support/restrict.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TIMEOUT = { timeout: TEST_TIMEOUT_MS };
const RELOADS = 3;
const NOBODY = 65534;
const EXIT_SYSTEM = 71;
const EXIT_NEW_GENERATION_FAILED = 70;
const ALL_WORKS = "baton can hand over any server here.";
const SUMMARY = {
  inherit: "baton works here with --listen only: for servers that take descriptors.",
  nothing: "baton cannot hand connections over here.",
} as const;

interface Case {
  readonly by: Restriction;
  readonly works: keyof typeof SUMMARY;
  /** The capabilities that must fail, and no other. */
  readonly fails: readonly string[];
  readonly detail: RegExp;
  /** What an operator can do about it. */
  readonly remedy: RegExp;
}

const NO_GETFD = { works: "inherit", fails: ["pidfd_getfd"] } as const;
const NO_LISTENER = { works: "inherit", fails: ["seccomp_user_notification"] } as const;
const CASES: readonly Case[] = [
  { by: "pidfd_getfd=EPERM", ...NO_GETFD, detail: /EPERM/, remedy: /CAP_SYS_PTRACE.*--listen/ },
  { by: "pidfd_getfd=ENOSYS", ...NO_GETFD, detail: /ENOSYS/, remedy: /--listen/ },
  { by: "pidfd_open=ENOSYS", ...NO_GETFD, detail: /pidfd_open: ENOSYS/, remedy: /--listen/ },
  { by: "new_listener=EINVAL", ...NO_LISTENER, detail: /EINVAL/, remedy: /newer kernel.*--listen/ },
  { by: "new_listener=EPERM", ...NO_LISTENER, detail: /EPERM/, remedy: /--listen/ },
  { by: "action_avail=EOPNOTSUPP", ...NO_LISTENER, detail: /USER_NOTIF/, remedy: /newer kernel/ },
  { by: "addfd=EINVAL", ...NO_LISTENER, detail: /ADDFD.*EINVAL/, remedy: /newer kernel/ },
  {
    by: "listener",
    ...NO_LISTENER,
    detail: /another seccomp listener/,
    remedy: /container runtime/,
  },
  {
    by: "reuseport_cbpf=EPERM",
    works: "nothing",
    fails: ["steering"],
    detail: /setsockopt: EPERM/,
    remedy: /seccomp profile/,
  },
  {
    by: "netlink=EPERM",
    works: "nothing",
    fails: ["sock_diag"],
    detail: /socket: EPERM/,
    remedy: /allow AF_NETLINK/,
  },
  {
    by: "close_range=ENOSYS",
    works: "nothing",
    fails: ["close_range"],
    detail: /close_range: ENOSYS/,
    remedy: /newer kernel/,
  },
  {
    by: "memfd_create=ENOSYS",
    works: "nothing",
    fails: ["launcher", "seccomp_user_notification"],
    detail: /the launcher failed: memfd_create: ENOSYS/,
    remedy: /starting processes/,
  },
];

/** Docker's default set of capabilities: root, but without CAP_SYS_PTRACE and CAP_SYS_ADMIN. */
const DOCKER_CAPABILITIES = "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap," +
  "net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap";
const DOCKER = [
  "setpriv",
  `--bounding-set=-all,${DOCKER_CAPABILITIES.replaceAll(/(^|,)/g, "$1+")}`,
];
const AS_NOBODY = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
const USER_NAMESPACE = ["unshare", "--user", "--map-root-user"];
const NET_NAMESPACE = ["unshare", "--net"];
const OTHERS_PROC = ["unshare", "--pid", "--fork", "--kill-child"];
const PID_NAMESPACE = [...OTHERS_PROC, "--mount-proc"];
/** PID 1 stays root's, so that there is something to hide; the runtime directory becomes nobody's. */
const HIDEPID_SCRIPT = `mount -t proc -o hidepid=2 proc /proc || exit
for word; do [ "$last" = --runtime-dir ] && chown ${NOBODY} "$word"; last=$word; done
"$@"
exit $?`;
const HIDEPID = [...OTHERS_PROC, "--mount", "sh", "-c", HIDEPID_SCRIPT, "sh", ...AS_NOBODY];

interface Report {
  readonly works: string;
  readonly summary: string;
  readonly kernel: string;
  readonly surroundings: readonly string[];
  readonly modes: readonly { readonly name: string; readonly works: boolean }[];
  readonly capabilities: readonly Capability[];
}

interface Diagnosis {
  readonly code: number | null;
  readonly report: Report;
  readonly text: string;
}

/** Both forms of the report; they must not contradict each other. */
async function doctor(wrapper: readonly string[] = [], env = {}): Promise<Diagnosis> {
  const words = [...wrapper, ...batonCommand(), "doctor"];
  const [plain, json] = [
    await runCommand(words, { env }),
    await runCommand([...words, "--json"], { env }),
  ];
  assert.equal(plain.stderr, "");
  assert.equal(plain.code, json.code);
  const report = JSON.parse(json.stdout) as Report;
  const lines = plain.stdout.trimEnd().split("\n");
  for (const { title, ok, needed, detail, consequence } of report.capabilities) {
    const mark = ok ? "ok  " : needed === "advice" ? "note" : "FAIL";
    const at = lines.indexOf(`${mark}  ${title}: ${detail}`);
    assert.ok(at > 0, `"${title}" is in the text:\n${plain.stdout}`);
    if (!ok) assert.equal(lines[at + 1], `      ${consequence}`);
  }
  for (const { name, works } of report.modes) {
    assert.ok(lines.some((line) => line.startsWith(`${name.padEnd(9)} ${works ? "yes" : "NO "} `)));
  }
  assert.equal(lines.at(-1), report.summary);
  assert.match(lines[0] ?? "", new RegExp(`Linux ${report.kernel.replaceAll(".", "\\.")}`));
  return { code: json.code, report, text: plain.stdout };
}

function failing({ capabilities }: Report): Capability[] {
  return capabilities.filter(({ ok, needed }) => !ok && needed !== "advice");
}

function assertAllWorks({ code, report, text }: Diagnosis): void {
  assert.deepEqual(failing(report), [], text);
  assert.equal(report.works, "everything");
  assert.equal(report.summary, ALL_WORKS);
  assert.deepEqual(report.modes.map(({ works }) => works), [true, true, true, true]);
  assert.equal(code, 0);
}

/** Processes that were started with this variable in their environment. */
function marked(mark: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
    } catch {
      return false;
    }
  });
}

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
}

const INHERITS = fixtureCommand("inherit_fd.js");
const listenAt = (port: number) => ["--listen", `web=127.0.0.1:${port}`];

/** The tests take things away from a machine that has them all. */
function incomplete(): string | false {
  const [program = "", ...argv] = [...batonCommand(), "doctor", "--json"];
  const { stdout } = spawnSync(program, argv, { encoding: "utf8" });
  const [missing] = failing(JSON.parse(stdout) as Report);
  return missing !== undefined && `this machine lacks: ${missing.title}: ${missing.detail}`;
}

/** The Deno of npx is in root's home: then only the compiled baton can run as another user. */
function nobodyCannot(wrapper: readonly string[] = AS_NOBODY): string | false {
  return process.getuid?.() !== 0
    ? "only root can become another user"
    : notPermitted(wrapper, ["test", "-x", batonCommand()[0] ?? ""]);
}

/** For another user setpriv does nothing, and says nothing. */
const NO_DOCKER = process.getuid?.() === 0 ? notPermitted(DOCKER) : "it is about root";
const skip = incomplete();

describe("baton doctor", { skip }, () => {
  test("finds everything on this machine, and leaves nothing behind", TIMEOUT, async () => {
    using dir = tempDir();
    const mark = `DOCTOR_TEST_MARK=${process.pid}.here`;
    const [name = "", value = ""] = mark.split("=");
    const before = listeners();
    assertAllWorks(await doctor([], { XDG_RUNTIME_DIR: dir.path, [name]: value }));
    assert.deepEqual(marked(mark), []);
    assert.deepEqual(readdirSync(dir.path), []);
    const isNew = ({ inode }: { inode: number }) => before.every((old) => old.inode !== inode);
    assert.deepEqual(listeners(process.pid).filter(isNew), []);
  });

  for (const { by, works, fails, detail, remedy } of CASES) {
    test(`under ${by} says that ${fails[0]} is missing, and what to do`, TIMEOUT, async () => {
      const { code, report, text } = await doctor(restrictedBy(by));
      assert.deepEqual(failing(report).map(({ id }) => id), fails, text);
      assert.match(failing(report)[0]?.detail ?? "", detail);
      assert.match(failing(report)[0]?.consequence ?? "", remedy);
      assert.equal(report.works, works);
      assert.equal(report.summary, SUMMARY[works]);
      assert.equal(code, works === "nothing" ? EXIT_SYSTEM : 0);
    });
  }

  test("names every restriction, as an ordinary user too", {
    ...TIMEOUT,
    skip: nobodyCannot(),
  }, async () => {
    const wrapper = [...AS_NOBODY, ...restrictedBy("pidfd_getfd=EPERM", "netlink=EACCES")];
    const { code, report } = await doctor(wrapper);
    assert.deepEqual(failing(report).map(({ id }) => id), ["sock_diag", "pidfd_getfd"]);
    assert.equal(code, EXIT_SYSTEM);
  });

  for (const wrapper of [USER_NAMESPACE, NET_NAMESPACE, PID_NAMESPACE]) {
    const options = { ...TIMEOUT, skip: notPermitted(wrapper) };
    test(`finds everything under "${wrapper.join(" ")}"`, options, async () => {
      assertAllWorks(await doctor(wrapper));
    });
  }

  const foreign = { ...TIMEOUT, skip: notPermitted(OTHERS_PROC) };
  test("under the /proc of another PID namespace says to mount it anew", foreign, async () => {
    const { code, report } = await doctor(OTHERS_PROC);
    assert.equal(failing(report)[0]?.id, "proc");
    assert.match(failing(report)[0]?.detail ?? "", /another PID namespace: mount it anew/);
    assert.equal(report.works, "nothing");
    assert.equal(code, EXIT_SYSTEM);
  });

  const options = { ...TIMEOUT, skip: nobodyCannot() };
  test("as an ordinary user finds everything, and notes no_new_privs", options, async () => {
    const diagnosis = await doctor(AS_NOBODY);
    assertAllWorks(diagnosis);
    const [note] = diagnosis.report.capabilities.filter(({ ok }) => !ok);
    assert.equal(note?.id, "new_privileges");
    assert.match(note?.consequence ?? "", /sudo, su and file capabilities do not work/);
  });

  const hidden = { ...TIMEOUT, skip: nobodyCannot(HIDEPID) };
  test("with hidepid finds everything but the other users' processes", hidden, async () => {
    const diagnosis = await doctor(HIDEPID);
    assertAllWorks(diagnosis);
    const notes = diagnosis.report.capabilities.filter(({ ok }) => !ok).map(({ id }) => id);
    assert.deepEqual(notes, ["new_privileges", "other_processes"]);
  });

  const docker = { ...TIMEOUT, skip: NO_DOCKER };
  test("with Docker's capabilities notes that servers may not change user", docker, async () => {
    const diagnosis = await doctor(DOCKER);
    assertAllWorks(diagnosis);
    const notes = diagnosis.report.capabilities.filter(({ ok }) => !ok).map(({ id }) => id);
    assert.deepEqual(notes, ["new_privileges", "other_users"]);
  });
});

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
      assert.match(lines[1] ?? "", /^ {2}What follows: .*use --listen.*"baton doctor"/);
    });

    test(`under ${by} with --listen loses nothing in ${RELOADS} reloads`, TIMEOUT, async () => {
      const port = await freePort();
      const flags = listenAt(port);
      await assertServes({ port, flags, wrapper: restrictedBy(by), command: INHERITS });
    });
    assert.equal(works, "inherit");
  }

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
    const wrapper = restrictedBy("pidfd_getfd=EPERM");
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

  const foreign = { ...TIMEOUT, skip: notPermitted(OTHERS_PROC) };
  test("under the /proc of another PID namespace refuses", foreign, async () => {
    const { code, lines } = await refused({ port: await freePort(), wrapper: OTHERS_PROC });
    assert.equal(code, EXIT_SYSTEM);
    assert.match(lines[0] ?? "", /^baton: Cannot run here: .*another PID namespace: mount it anew/);
  });

  const surroundings: [string, string | false, Omit<Attempt, "port">][] = [
    ["in a user namespace", notPermitted(USER_NAMESPACE), { wrapper: USER_NAMESPACE }],
    ["with Docker's capabilities", NO_DOCKER, { wrapper: DOCKER }],
    ["with hidepid", nobodyCannot(HIDEPID), { wrapper: HIDEPID }],
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

  const docker = { ...TIMEOUT, skip: NO_DOCKER };
  test("root without CAP_SYS_PTRACE refuses a server that changes its user", docker, async () => {
    const port = await freePort();
    const command = [...AS_NOBODY, ...fixtureCommand("node_http.js")];
    const { code, stderr } = await refused({ port, wrapper: DOCKER, command });
    assert.equal(code, EXIT_NEW_GENERATION_FAILED);
    assert.match(stderr, /generation 0 failed: .*EPERM.*CAP_SYS_PTRACE.*"baton doctor"/);
  });

  const unreadable = { ...TIMEOUT, skip: nobodyCannot() || (which("go") === null && "no go") };
  test("refuses a server whose program its user may not read", unreadable, async () => {
    using dir = tempDir();
    chmodSync(dir.path, 0o755);
    const program = dir.join("server");
    copyFileSync(buildGo(), program);
    chmodSync(program, 0o711);
    const { code, stderr } = await refused({
      port: await freePort(),
      uid: NOBODY,
      command: [program],
    });
    assert.equal(code, EXIT_NEW_GENERATION_FAILED);
    assert.match(stderr, /generation 0 failed: .*EPERM.*"baton doctor"/);
  });
});
