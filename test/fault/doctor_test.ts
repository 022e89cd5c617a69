/**
 * Fault: the kernel or the container forbids something that baton needs.
 *
 * Allowed outcome: `doctor` names what is missing, what follows and what to do; `run` works by another way of handing
 * over, with no request lost, or refuses with that message before anything was started.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { batonCommand, runCommand } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { listeners } from "../support/proc.ts";
import { notPermitted, restrictedBy } from "../support/restrict.ts";
import { tempDir } from "../support/temp_dir.ts";
import {
  AS_NOBODY,
  CASES,
  DOCKER,
  failing,
  HIDEPID,
  marked,
  NO_DOCKER,
  nobodyCannot,
  type Report,
  skip,
  SUMMARY,
  WITHOUT_GETFD,
} from "../support/diagnosis.ts";

const TIMEOUT = { timeout: TEST_TIMEOUT_MS };

const EXIT_SYSTEM = 71;

const ALL_WORKS = "baton can hand over any server here.";

const USER_NAMESPACE = ["unshare", "--user", "--map-root-user"];

const NET_NAMESPACE = ["unshare", "--net"];

const OTHERS_PROC = ["unshare", "--pid", "--fork", "--kill-child"];

const PID_NAMESPACE = [...OTHERS_PROC, "--mount-proc"];

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
  assert.match(lines[0] ?? "", /, (?:glibc|musl), Linux /);
  assert.match(lines[0] ?? "", new RegExp(`Linux ${report.kernel.replaceAll(".", "\\.")}`));
  return { code: json.code, report, text: plain.stdout };
}

function assertAllWorks({ code, report, text }: Diagnosis): void {
  assert.deepEqual(failing(report), [], text);
  assert.equal(report.works, "everything");
  assert.equal(report.summary, ALL_WORKS);
  assert.deepEqual(report.modes.map(({ works }) => works), [true, true, true, true]);
  assert.equal(code, 0);
}

describe("baton doctor", { skip }, () => {
  test("finds everything on this machine, and leaves nothing behind", TIMEOUT, async () => {
    using dir = tempDir();
    const mark = `DOCTOR_TEST_MARK=${process.pid}.here`;
    const [name = "", value = ""] = mark.split("=");
    const before = listeners();
    const diagnosis = await doctor([], { XDG_RUNTIME_DIR: dir.path, [name]: value });
    assertAllWorks(diagnosis);
    assert.match(diagnosis.text, /^ok {4}duplicates .*: by pidfd_getfd$/m);
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

  for (const by of WITHOUT_GETFD) {
    test(`under ${by} finds everything, and says where duplicates come from`, TIMEOUT, async () => {
      const diagnosis = await doctor(restrictedBy(by));
      assertAllWorks(diagnosis);
      const note = diagnosis.report.capabilities.find(({ id }) => id === "pidfd_getfd");
      assert.match(note?.consequence ?? "", /--duplicates socket-trap.*CAP_SYS_PTRACE/);
      assert.match(diagnosis.text, /^ok {4}duplicates .*: by the socket trap: /m);
    });
  }

  test("with too few descriptors says how many there are, and what to raise", TIMEOUT, async () => {
    const { report } = await doctor(["prlimit", "--nofile=64"]);
    const { detail } = report.capabilities.find((each) => each.id === "launcher")!;
    assert.match(detail, /^the launcher failed: .*; only 64 files may be open here: ulimit -n, /);
  });

  test("without close_range(2) finds everything, and says how it is done", TIMEOUT, async () => {
    const diagnosis = await doctor(restrictedBy("close_range=EINVAL"));
    assertAllWorks(diagnosis);
    assert.match(diagnosis.text, /^ok {4}closing what is not the server's: works, one by one/m);
  });

  test("names every restriction, as an ordinary user too", {
    ...TIMEOUT,
    skip: nobodyCannot(),
  }, async () => {
    const wrapper = [...AS_NOBODY, ...restrictedBy("pidfd_getfd=EPERM", "netlink=EACCES")];
    const { code, report } = await doctor(wrapper);
    assert.deepEqual(failing(report).map(({ id }) => id), ["sock_diag"]);
    assert.ok(report.capabilities.some(({ id, ok }) => id === "pidfd_getfd" && !ok));
    assert.equal(code, EXIT_SYSTEM);
  });

  for (const wrapper of [USER_NAMESPACE, NET_NAMESPACE, PID_NAMESPACE]) {
    const options = { ...TIMEOUT, skip: notPermitted(wrapper) };
    test(`finds everything under "${wrapper.join(" ")}"`, options, async () => {
      assertAllWorks(await doctor(wrapper));
    });
  }

  const foreign = { ...TIMEOUT, skip: notPermitted(OTHERS_PROC) };
  test("under the /proc of another PID namespace says to mount it again", foreign, async () => {
    const { code, report } = await doctor(OTHERS_PROC);
    assert.equal(failing(report)[0]?.id, "proc");
    assert.match(failing(report)[0]?.detail ?? "", /another PID namespace: mount it again/);
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
    assert.deepEqual(notes, ["new_privileges", "other_users", "rehearse"]);
  });
});
