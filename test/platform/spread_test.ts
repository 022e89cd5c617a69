/** `--spread` in the kernel: which member of a group real connections come to. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import type { InetAddress } from "../../src/platform/network/address.ts";
import { boundSocket } from "../../src/steering/bound_socket.ts";
import type { Group } from "../../src/steering/group.ts";
import { Listeners } from "../../src/steering/listeners.ts";
import type { Member } from "../../src/steering/member.ts";
import type { Spread } from "../../src/steering/spread/spread.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { which } from "../support/programs.ts";
import { connectInet } from "../support/raw_client.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const BACKLOG = 512;
const EPOCH = 0;
/** Connections, between two looks of baton. */
const AT_A_TIME = 10;
/** From one processor: `python3 - PROCESSOR PORT COUNT`. */
const CLIENT = `import os, socket, sys
processor, port, count = map(int, sys.argv[1:])
os.sched_setaffinity(0, {processor})
for _ in range(count): socket.create_connection(("127.0.0.1", port)).close()`;

const platform = await testPlatform();
/** Those that this process may use, by number. */
const processors = allowedProcessors();
const skip = which("python3") === null && "python3 is not installed";

class World implements Disposable {
  readonly listeners: Listeners;
  readonly group: Group;
  readonly address: InetAddress;

  constructor(kind: Spread["kind"], workers: number) {
    const { sockets, reactor, clock, sockDiag } = platform;
    this.listeners = new Listeners(sockets, reactor);
    this.listeners.spread = {
      kind,
      clock,
      processors: processors.length,
      waitingIn: (listener) => sockDiag.waitingIn(listener),
    };
    using free = sockets.stream("inet");
    const at = { family: "inet", host: "127.0.0.1", port: 0, scope: 0 } as const;
    sockets.bindInet(free, at);
    this.address = sockets.localAddress(free)!;
    free.close();
    this.group = this.listeners.obtain({ ...this.address, v6only: false, boundInterface: 0 });
    // The array's order is not that of the workers.
    for (let i = workers - 1; i >= 0; i--) this.listen(EPOCH, i);
    this.listeners.switchTo(EPOCH);
  }

  listen(epoch: number, worker: number): Member {
    const own = { epoch, worker, owner: 1 + this.group.members.length, late: false };
    return this.group.takeMember(boundSocket(this.group), { ...own, backlog: BACKLOG });
  }

  /** How many of `count` connections came to each member; all are accepted at once. */
  connect(count: number): number[] {
    const counts = this.group.members.map(() => 0);
    for (let i = 0; i < count; i++) {
      using _client = connectInet(platform, this.address);
      this.group.members.forEach((member, place) => counts[place]! += accept(member));
    }
    return counts;
  }

  [Symbol.dispose](): void {
    this.listeners.close();
  }
}

describe("--spread", { timeout: TEST_TIMEOUT_MS }, () => {
  const open: World[] = [];
  after(async () => {
    for (const world of open) world[Symbol.dispose]();
    await platform.close();
  });
  const world = (...options: ConstructorParameters<typeof World>) => {
    const made = new World(...options);
    open.push(made);
    return made;
  };

  for (const kind of ["random", "least"] as const) {
    test(`${kind}: each of 4 members gets its quarter`, () => {
      const counts = world(kind, 4).connect(2_000);
      // Six standard deviations.
      assert.ok(counts.every((count) => Math.abs(count - 500) < 117), counts.join(" "));
    });
  }

  test("cpu: a connection comes to the member of its client's processor", { skip }, () => {
    const workers = processors.length;
    const { group, address } = world("cpu", workers);
    for (const processor of processors) {
      connectFrom(processor, address, 20);
      const expected = group.members.map(({ worker }) => worker === processor % workers ? 20 : 0);
      assert.deepEqual(group.members.map(accept), expected);
    }
  });

  test("cpu: with twice as many members as processors each processor has two", { skip }, () => {
    const workers = 2 * processors.length;
    const { group, address } = world("cpu", workers);
    for (const processor of processors) {
      connectFrom(processor, address, 40);
      const reached = group.members.filter((member) => accept(member) > 0);
      const expected = [processor, processor + processors.length].map((each) => each % workers);
      assert.deepEqual(new Set(reached.map(({ worker }) => worker)), new Set(expected));
    }
  });

  test("least: a baton that goes on with the members leaves none of them out", async () => {
    const { group, address } = world("least", 2);
    const [busy, other] = group.members as [Member, Member];
    using clients = new DisposableStack();
    const connect = () => void clients.use(connectInet(platform, address));
    await waitUntil(() => {
      accept(other);
      connect();
      return platform.sockDiag.waitingIn(busy.heldUntilRetired) > 0;
    }, { what: "one of them has a queue" });
    let run = 0;
    await waitUntil(() => {
      for (let i = 0; i < AT_A_TIME; i++) {
        accept(other);
        connect();
        run = accept(other) === 1 ? run + 1 : 0;
      }
      return run >= 40;
    }, { what: "it is left out" });
    group.hold = "order and program";
    const next = new Listeners(platform.sockets);
    const itsGroup = next.obtain(group.address);
    const duplicates = group.records.map(({ record, fd }) => {
      return { record, fd: platform.descriptors.duplicate(fd) };
    });
    itsGroup.importMembers(duplicates);
    itsGroup.unshare();
    const before = platform.sockDiag.waitingIn(busy.heldUntilRetired);
    for (let i = 0; i < 40; i++) connect();
    assert.ok(platform.sockDiag.waitingIn(busy.heldUntilRetired) > before);
    itsGroup.release();
  });

  test("least: a member that does not accept gets nothing until it does", async () => {
    const { group, address } = world("least", 4);
    using _clients = new DisposableStack();
    const [busy, ...others] = group.members as [Member, ...Member[]];
    const connect = () => {
      _clients.use(connectInet(platform, address));
      return others.reduce((sum, member) => sum + accept(member), 0) === 1;
    };
    const cameTo = async (expected: boolean) => {
      await waitUntil(() => connect() === expected, { what: `others are chosen: ${expected}` });
    };
    await cameTo(false);
    assert.equal(platform.sockDiag.waitingIn(busy.heldUntilRetired), 1);
    // At random 40 in a row would all come to three of four once in 100,000 times.
    let run = 0;
    await waitUntil(() => {
      for (let i = 0; i < AT_A_TIME; i++) run = connect() ? run + 1 : 0;
      return run >= 40;
    }, { what: "40 connections in a row come to the others" });
    accept(busy);
    await cameTo(false);
  });
});

/** Takes all connections out of the queue of `member`. */
function accept({ heldUntilRetired }: Member): number {
  const count = platform.sockDiag.waitingIn(heldUntilRetired);
  for (let i = 0; i < count; i++) platform.sockets.accept(heldUntilRetired)?.close();
  return count;
}

function connectFrom(processor: number, { port }: InetAddress, count: number): void {
  execFileSync("python3", ["-c", CLIENT, ...[processor, port, count].map(String)], {
    stdio: "inherit",
  });
}

function allowedProcessors(): number[] {
  const status = readFileSync("/proc/self/status", "utf8");
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
