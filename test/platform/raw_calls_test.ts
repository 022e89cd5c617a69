/**
 * System calls without the C library: what they return is what libc's functions return and set errno to, on this
 * processor and for arm64 in QEMU; and no errno is lost by what a runtime does between a call and the look at it.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { C } from "../../src/platform/libc/constants.ts";
import { cString, Libc } from "../../src/platform/libc/libc.ts";
import { loadRaw } from "../../src/platform/libc/load_raw.ts";
import { errnoOf, RAW, rawFunctions } from "../../src/platform/libc/raw_calls.ts";
import { LIBC, LIBC_NAMES } from "../../src/platform/libc/symbols.ts";
import type { PrototypeTable, Runtime } from "../../src/platform/runtime/runtime.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { which } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testRuntime } from "../support/test_platform.ts";

const timeout = TEST_TIMEOUT_MS;
const runtime = await testRuntime();
const ECHILD = 10;
const EINVAL = 22;
const NO_PROCESS = 1 << 30;
const NO_PATH = cString("/no/such/file");

type Values = (number | Uint8Array | null)[];
type Call = (...values: Values) => number;

/** Arguments with which each function fails, in a way of its own where it has one. */
const FAILING: Readonly<Record<keyof typeof RAW, Values>> = {
  close: [-1],
  read: [-1, null, 1],
  write: [-1, null, 1],
  fcntl: [-1, C.F_GETFD, 0],
  ioctl: [-1, 0, null],
  pipe2: [null, -1],
  flock: [-1, 0],
  open: [NO_PATH, 0, 0],
  access: [NO_PATH, 0],
  readlink: [cString("/"), new Uint8Array(8), 8],
  getxattr: [NO_PATH, cString("user.x"), null, 0],
  memfd_create: [null, 0],
  ftruncate: [-1, 0],
  fchmod: [-1, 0],
  lseek: [-1, 0, 0],
  socket: [-1, 0, 0],
  socketpair: [-1, 0, 0, null],
  bind: [-1, null, 0],
  listen: [-1, 0],
  accept4: [-1, null, null, 0],
  connect: [-1, null, 0],
  shutdown: [-1, 0],
  getsockname: [-1, null, null],
  getpeername: [-1, null, null],
  getsockopt: [-1, 0, 0, null, null],
  setsockopt: [-1, 0, 0, null, 0],
  sendmsg: [-1, null, 0],
  recvmsg: [-1, null, 0],
  send: [-1, null, 0, 0],
  recv: [-1, null, 0, 0],
  epoll_create1: [-1],
  epoll_ctl: [-1, 0, -1, null],
  eventfd: [0, -1],
  dup3: [-1, 5, 0],
  inotify_init1: [-1],
  inotify_add_watch: [-1, NO_PATH, 1],
  kill: [NO_PROCESS, 0],
  waitpid: [NO_PROCESS, null, C.WNOHANG],
  prctl: [-1, 0, 0, 0, 0],
  execve: [NO_PATH, null, null],
  chdir: [NO_PATH],
  unshare: [-1],
  setns: [-1, 0],
  mount: [null, NO_PATH, null, 0, null],
  umount2: [NO_PATH, 0],
  mmap: [0, 0, 0, 0, -1, 0],
  mprotect: [1, 1, 0],
  syscall: [-1, 0, 0, 0, 0, 0],
};

/** As it is where the runtime loses no errno. */
const plain = new Libc({ ...runtime, rawCalls: null });
const raw = loadRaw(runtime, plain.c, (errno) => -errno);
const skip = raw === null && "no page of ours may be executed here";

describe("RAW_CALLS", () => {
  for (const [name, args] of Object.entries(FAILING)) {
    test(`${name}() fails as the C library's does`, { timeout, skip }, () => {
      const [ours, theirs] = [raw!, plain.c].map((calls) =>
        calls[name as keyof typeof RAW] as Call
      );
      assert.equal(theirs!(...args), -1);
      const { errno } = plain;
      assert.equal(errnoOf(ours!(...args)), errno, `libc: errno ${errno}`);
    });
  }

  test("take paths from the working directory, and as much as they are given", {
    timeout,
    skip,
  }, () => {
    const before = openDescriptors();
    const fd = raw!.open(cString("."), C.O_RDONLY, 0);
    assert.ok(fd > 2, `${fd}`);
    const target = new Uint8Array(100);
    const length = raw!.readlink(cString("/proc/self/cwd"), target, target.length);
    assert.equal(new TextDecoder().decode(target.subarray(0, length)), process.cwd());
    assert.equal(raw!.access(cString("/bin/sh"), C.X_OK), 0);
    assert.equal(raw!.close(fd), 0);
    const pair = new Int32Array(2);
    const ends = new Uint8Array(pair.buffer);
    assert.equal(raw!.socketpair(C.AF_UNIX, C.SOCK_STREAM, 0, ends), 0);
    assert.equal(raw!.send(pair[0]!, cString("text"), 4, C.MSG_NOSIGNAL), 4);
    assert.equal(raw!.recv(pair[1]!, target, target.length, 0), 4);
    for (const end of pair) assert.equal(raw!.close(end), 0);
    const page = raw!.mmap(0, 4096, C.PROT_READ, C.MAP_PRIVATE | C.MAP_ANONYMOUS, -1, 0);
    assert.ok(page > 4096 && errnoOf(page) === 0);
    assert.equal(raw!.syscall(runtime.arch === "x64" ? 11 : 215, page, 4096, 0, 0, 0), 0, "munmap");
    assert.deepEqual(leakedSince(before), []);
  });
});

/** Loads nothing that is open in this process, as where no page may be executed. */
const withoutPages: Runtime["openLibrary"] = (names, table, onResult) => {
  if (names[0]!.startsWith("/proc/")) throw new Error("Cannot load it");
  return runtime.openLibrary(names, table, onResult);
};

function changing(openLibrary: Runtime["openLibrary"]): Runtime {
  const { arch } = runtime;
  const rawCalls: Runtime["rawCalls"] = (c, keep) => loadRaw({ arch, openLibrary }, c, keep);
  return { ...runtime, openLibrary, rawCalls };
}

describe("Libc.errno, where a runtime changes it", () => {
  for (
    const [how, openLibrary] of [["", runtime.openLibrary], [
      " and no page may be executed",
      withoutPages,
    ]] as const
  ) {
    test(`is that of the call that failed last${how}`, { timeout }, () => {
      const before = openDescriptors();
      const libc = new Libc(changing(openLibrary));
      const change = () => plain.c.close(-1);
      assert.equal(libc.c.open(NO_PATH, 0, 0), -1);
      change();
      assert.equal(libc.errno, C.ENOENT);
      // Not one of RAW_CALLS.
      assert.equal(libc.c.setrlimit(-1, new Uint8Array(16)), -1);
      change();
      assert.equal(libc.errno, EINVAL);
      assert.equal(libc.c.getppid(), process.ppid);
      assert.equal(libc.c.waitpid(NO_PROCESS, null, C.WNOHANG), -1);
      change();
      assert.throws(() => libc.check(-1, "waitpid", "a child"), { errno: ECHILD });
      assert.deepEqual(leakedSince(before), []);
    });
  }

  test("the C library is asked for what returns no error", { timeout, skip }, () => {
    const asked = new Set<string>();
    const openLibrary: Runtime["openLibrary"] = <T extends PrototypeTable>(
      names: readonly string[],
      table: T,
      onResult?: (result: number) => number,
    ) => {
      const library = runtime.openLibrary(names, table, onResult);
      if (names !== LIBC_NAMES || onResult === undefined) return library;
      return new Proxy(library, {
        get: (of, name) => (asked.add(String(name)), Reflect.get(of, name)),
      });
    };
    const { c } = new Libc(changing(openLibrary));
    for (const name of Object.keys(LIBC)) {
      assert.equal(typeof c[name as keyof typeof LIBC], "function");
    }
    const others = Object.keys(LIBC).filter((name) => !(name in RAW));
    assert.deepEqual([...asked].sort(), others.sort());
  });
});

const emulator = which("qemu-aarch64-static") ?? which("qemu-aarch64");

test("arm64 in QEMU: arguments in their places, and -errno as the result", {
  timeout,
  skip: runtime.arch === "arm64" || emulator === null
    ? "this is arm64, or there is no qemu-aarch64"
    : false,
}, () => {
  using dir = tempDir();
  dir.write("link", "");
  const path = dir.join("program");
  const code = rawFunctions("arm64");
  writeFileSync(
    path,
    program([
      [code.get("close")!, [-1]],
      [code.get("open")!, ["path", 0, 0]],
      [code.get("waitpid")!, [NO_PROCESS, 0, 1]],
      [code.get("syscall")!, [57, -1]],
      [code.get("access")!, ["none", 0]],
    ]),
  );
  chmodSync(path, 0o755);
  const { stdout, stderr } = spawnSync(emulator!, [path]);
  const results = [...new BigInt64Array(Uint8Array.from(stdout).buffer)].map(Number);
  assert.deepEqual(results, [-9, 3, -ECHILD, -9, -C.ENOENT], String(stderr));
});

/** An arm64 program that makes these calls, with rubbish in all other registers, and prints their results. */
function program(
  calls: readonly (readonly [code: Uint8Array, args: readonly (number | string)[]])[],
) {
  const [base, start] = [0x40_0000, 0x78];
  const texts = { path: "/\0", none: "/no/such/file\0" } as const;
  const ofEach = 10; // Eight registers, call, store.
  const codeAt = start + 4 * (1 + ofEach * calls.length + 6);
  const textAt = codeAt + 64 * calls.length;
  const file = new Uint8Array(textAt + 64);
  const view = new DataView(file.buffer);
  let at = start;
  const put = (word: number) => (view.setInt32(at, word, true), at += 4);
  /** movz; movk of the next 16 bits does not fit: powers of two are shifted. */
  const set = (register: number, value: number) =>
    value < 0
      ? 0x92800000 | (~value << 5) | register
      : value > 0xffff
      ? 0xd2a00000 | ((value >> 16) << 5) | register
      : 0xd2800000 | (value << 5) | register;
  const adr = (register: number, to: number) => {
    const offset = to - at;
    return 0x10000000 | ((offset & 3) << 29) | ((offset >> 2) << 5) | register;
  };
  file.set(new TextEncoder().encode(texts.path), textAt);
  file.set(new TextEncoder().encode(texts.none), textAt + 16);
  put(0xd10403ff); // sub sp, sp, #256
  calls.forEach(([code, args], i) => {
    for (let register = 0; register < 8; register++) {
      const value = args[register] ?? 0x7777;
      if (typeof value === "number") put(set(register, value));
      else put(adr(register, value === "path" ? textAt : textAt + 16));
    }
    file.set(code, codeAt + 64 * i);
    put(0x94000000 | (((codeAt + 64 * i - at) >> 2) & 0x3ffffff)); // bl
    put(0xf90003e0 | (i << 10)); // str x0, [sp, #8 * i]
  });
  put(set(0, 1));
  put(0x910003e1); // mov x1, sp
  put(set(2, 8 * calls.length));
  put(set(8, 64)); // write
  put(0xd4000001); // svc #0
  // It ends by an illegal instruction: what it has printed is all that counts.
  put(0);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 183, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(base + start), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  [0, base, base, file.length, file.length, 0x10000].forEach((value, i) =>
    view.setBigUint64(72 + 8 * i, BigInt(value), true)
  );
  return file;
}
