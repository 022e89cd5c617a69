/**
 * The real launchers, the small program and baton from source: how each failure is reported, and what the supervisor's half
 * does when the launcher is killed half-way.
 */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { describe, test } from "node:test";
import type { LaunchPlan } from "../../src/launcher/plan.ts";
import { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { CAT, filterSkip, start, WAYS } from "../support/launched.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import * as processes from "../support/proc.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const DEADLINE_MS = 30_000;
const [SIGKILL, SIGTERM, SIGSTOP] = [9, 15, 19];
type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

const skip = await filterSkip();

for (const each of WAYS) {
  describe(`a failure to launch, from ${each}`, () => {
    const cases: [string, Partial<LaunchPlan>, number, RegExp][] = [
      ["an unknown program", { argv: ["no-such-program"] }, 127, /^Cannot find program "no-such-p/],
      ["a missing path", { argv: ["/no/such"] }, 127, /^Cannot find program "\/no\/such": no file/],
      ["a directory", { argv: ["/tmp"] }, 126, /^Cannot execute "\/tmp": it is a directory$/],
      ["no permission", { argv: ["/etc/passwd"] }, 126, /^Cannot execute "\/etc\/passwd": no exec/],
      [
        "a working directory that is missing",
        { cwd: "/no/such/directory" },
        126,
        /^Cannot enter working directory "\/no\/such\/directory": ENOENT$/,
      ],
      [
        "a file limit above the hard one",
        { fileLimit: 2 ** 40 },
        71,
        /^Cannot setrlimit .*: EINVAL$/,
      ],
    ];
    for (const [name, plan, status, message] of cases) {
      test(`${name} is reported, and is the launcher's status ${status}`, {
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        await using platform = await testPlatform();
        const before = openDescriptors();
        await using launched = start(platform, each, { plan });
        assert.deepEqual(await launched.child.ended(), { kind: "exited", code: status });
        launched.launch.readMessages();
        assert.equal(launched.outcome.failed?.status, status);
        assert.match(launched.outcome.failed?.message ?? "", message);
        launched.launch.readMessages(); // Nothing more, and no harm.
        assert.equal(platform.reactor.size, 0);
        const isOurs = (line: string) =>
          line.includes("memfd") || isMessageSocket(platform, parseInt(line));
        assert.deepEqual(leakedSince(before).filter(isOurs), []);
      });
    }

    for (
      const [what, plan, status] of [
        ["its program is missing", { argv: ["/no/such"] }, 127],
        ["its directory is missing", { cwd: "/no/such" }, 126],
      ] as const
    ) {
      test(`of one with a listener, because ${what}: its status is no part of the go-ahead`, {
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        await using platform = await testPlatform();
        const { read, write } = platform.descriptors.pipe();
        await using launched = start(platform, each, { plan, members: [read] });
        assert.deepEqual(await launched.child.ended(), { kind: "exited", code: status });
        launched.launch.readMessages();
        assert.equal(launched.outcome.failed?.status, status);
        [read, write].forEach((fd) => fd.close());
      });
    }

    test("of one with too long an argument says so", { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      await using launched = start(platform, each, {
        plan: { argv: [CAT, "x".repeat(128 * 1024)] },
      });
      assert.deepEqual(await launched.child.ended(), { kind: "exited", code: 126 });
      launched.launch.readMessages();
      assert.match(launched.outcome.failed?.message ?? "", /E2BIG, its arguments and environment/);
    });

    test(
      "a script whose interpreter is missing says so",
      { timeout: TEST_TIMEOUT_MS },
      async () => {
        await using platform = await testPlatform();
        using dir = tempDir();
        const path = dir.write("script", "#!/no/such/interpreter\n");
        chmodSync(path, 0o755);
        await using launched = start(platform, each, { plan: { argv: [path] } });
        assert.deepEqual(await launched.child.ended(), { kind: "exited", code: 127 });
        launched.launch.readMessages();
        assert.match(launched.outcome.failed?.message ?? "", /the interpreter in its first line/);
      },
    );

    test("a supervisor that has died meanwhile ends the launcher", {
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      const plan = { parentDeathSignal: SIGTERM, parentPid: platform.runtime.pid + 1 };
      await using launched = start(platform, each, { plan });
      assert.deepEqual(await launched.child.ended(), { kind: "exited", code: 71 });
    });

    for (const when of ["before it gets its go-ahead", "before it reads its go-ahead"]) {
      test(`a launcher that is killed ${when} is no error of ours`, {
        skip,
        timeout: TEST_TIMEOUT_MS,
      }, async () => {
        await using platform = await testPlatform();
        const errors: unknown[] = [];
        platform.reactor.onError = (error) => errors.push(error);
        const signal = when.includes("gets") ? SIGKILL : SIGSTOP;
        const { SYS_bind } = platform.libc.arch;
        await using launched = start(platform, each, {
          plan: { trap: [SYS_bind] },
          onPrepared: (pid) => {
            platform.processes.signal(pid, signal);
            // Our answer must not be there before it has stopped: then it would read it first.
            while (processes.state(pid) === "S" || processes.state(pid) === "R");
          },
        });
        await waitUntil(() => launched.outcome.filters.length === 1, {
          what: "the filter has come",
          deadlineMs: DEADLINE_MS,
        });
        platform.processes.signal(launched.launch.pid, SIGKILL);
        assert.deepEqual(await launched.child.ended(), { kind: "signalled", signal: SIGKILL });
        launched.launch.readMessages();
        assert.deepEqual(errors, []);
        assert.equal(platform.reactor.size, 0, "its socket is closed");
        assert.equal(launched.outcome.failed, null);
      });
    }
  });
}

/** The runtimes use no sockets of this type: what is one is the launcher's control socket. */
function isMessageSocket(platform: TestPlatform, number: number): boolean {
  const fd = new Fd(platform.libc, number);
  try {
    return platform.sockets.option(fd, C.SOL_SOCKET, C.SO_TYPE) === C.SOCK_SEQPACKET;
  } catch {
    return false;
  } finally {
    fd.release();
  }
}
