/**
 * Every number from C headers that baton has written down, against a C compiler on this machine.
 *
 * The numbers of the other architecture come from the kernel's generic table of system calls, which is
 * what arm64 uses. Without a compiler or its headers the tests are skipped, and say why.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PTRACE } from "../../src/platform/interruption.ts";
import { ARCH } from "../../src/platform/libc/arch.ts";
import { CAPABILITY } from "../../src/platform/libc/capability_bits.ts";
import { C, errnoName } from "../../src/platform/libc/constants.ts";
import { RAW_CALLS } from "../../src/platform/libc/raw_numbers.ts";
import * as udpOptions from "../../src/platform/libc/udp_options.ts";
import { evaluate, findCompiler, hasHeader } from "../support/c_compiler.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { testRuntime } from "../support/test_platform.ts";

const compiler = findCompiler();
const missingHeader = ["fcntl.h", "linux/seccomp.h", "linux/inet_diag.h", "asm/unistd.h"]
  .find((header) => compiler !== null && !hasHeader(compiler, header));
const skip = compiler === null
  ? "there is no C compiler (cc, gcc or clang) in PATH"
  : missingHeader === undefined
  ? false
  : `the compiler has no <${missingHeader}> (linux-libc-dev)`;

const LIBC_HEADERS = [
  "fcntl.h",
  "unistd.h",
  "sys/mman.h",
  "sys/file.h",
  "sys/socket.h",
  "netinet/in.h",
  "netinet/tcp.h",
  "sys/epoll.h",
  "sys/eventfd.h",
  "sys/inotify.h",
  "sys/ioctl.h",
  "poll.h",
  "sys/wait.h",
  "signal.h",
  "spawn.h",
  "sys/resource.h",
  "sys/prctl.h",
  "sched.h",
  "sys/mount.h",
  "net/if.h",
  "termios.h",
  "time.h",
  "errno.h",
];
const KERNEL_HEADERS = [
  "sys/ioctl.h",
  "linux/audit.h",
  "linux/bpf.h",
  "linux/close_range.h",
  "linux/filter.h",
  "linux/inet_diag.h",
  "linux/netlink.h",
  "linux/seccomp.h",
  "linux/sock_diag.h",
  "linux/unix_diag.h",
];
/** Names that only the kernel's own headers have; some of those cannot stand beside libc's. */
const KERNEL_NAME =
  /^(SECCOMP_|NETLINK_|SOCK_DIAG|NLM|INET_DIAG_|UDIAG_|UNIX_DIAG_|SK_MEMINFO_|CLOSE_RANGE_|TCP_NEW_SYN_RECV)/;
/** net/tcp_states.h is not exported; BPF has a copy that the kernel keeps equal at build time. */
const EXPRESSIONS: Readonly<Record<string, string>> = { TCP_NEW_SYN_RECV: "BPF_TCP_NEW_SYN_RECV" };

type Numbers = Readonly<Record<string, number>>;

function ask(headers: readonly string[], names: readonly string[]): Map<string, number | null> {
  const expressions = Object.fromEntries(names.map((name) => [name, EXPRESSIONS[name] ?? name]));
  return evaluate(compiler!, { headers, expressions });
}

function assertSame(ours: Numbers, theirs: ReadonlyMap<string, number | null>): void {
  assert.deepEqual(ours, Object.fromEntries(theirs));
}

/** The entries of `table` whose name is, or is not, the kernel's. */
function entries(table: Numbers, kernel: boolean): Numbers {
  return Object.fromEntries(
    Object.entries(table).filter(([name]) => KERNEL_NAME.test(name) === kernel),
  );
}

describe("constants.ts", () => {
  test("has the numbers of the C library's headers", { skip, timeout: TEST_TIMEOUT_MS }, () => {
    const ours = entries(C, false);
    assert.ok(Object.keys(ours).length > 90);
    assertSame(ours, ask(LIBC_HEADERS, Object.keys(ours)));
  });

  test("has the numbers of socket options", { skip, timeout: TEST_TIMEOUT_MS }, () => {
    const ours: Numbers = Object.assign({}, ...Object.values(udpOptions));
    assertSame(ours, ask(["sys/socket.h", "netinet/in.h", "netinet/udp.h"], Object.keys(ours)));
  });

  test("has the requests of ptrace(2)", { skip, timeout: TEST_TIMEOUT_MS }, () => {
    assertSame(PTRACE, ask(["sys/ptrace.h"], Object.keys(PTRACE)));
  });

  test("has the bits of capabilities", { skip, timeout: TEST_TIMEOUT_MS }, () => {
    assertSame(CAPABILITY, ask(["linux/capability.h"], Object.keys(CAPABILITY)));
  });

  test("has the numbers of the kernel's headers", { skip, timeout: TEST_TIMEOUT_MS }, () => {
    const ours = entries(C, true);
    assert.ok(Object.keys(ours).length > 20);
    assertSame(ours, ask(KERNEL_HEADERS, Object.keys(ours)));
  });

  test("has this machine's own numbers", { skip, timeout: TEST_TIMEOUT_MS }, async () => {
    const { arch } = await testRuntime();
    const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET, AUDIT_ARCH, ...calls } = ARCH[arch];
    const theirs = evaluate(compiler!, {
      headers: ["sys/epoll.h"],
      expressions: {
        EPOLL_EVENT_SIZE: "sizeof(struct epoll_event)",
        EPOLL_DATA_OFFSET: "offsetof(struct epoll_event, data)",
      },
    });
    assertSame({ EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET }, theirs);
    assertCalls(calls, "asm/unistd.h");
    assert.ok(AUDIT_ARCH > 0x80000000, "the architecture is a 64 bit one");
  });

  test("has both architectures as seccomp names them", { skip, timeout: TEST_TIMEOUT_MS }, () => {
    const theirs = evaluate(compiler!, {
      headers: ["linux/audit.h"],
      expressions: { x64: "AUDIT_ARCH_X86_64", arm64: "AUDIT_ARCH_AARCH64" },
    });
    assertSame({ x64: ARCH.x64.AUDIT_ARCH, arm64: ARCH.arm64.AUDIT_ARCH }, theirs);
  });

  test(
    "has arm64's system calls and struct epoll_event",
    { skip, timeout: TEST_TIMEOUT_MS },
    () => {
      const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET, AUDIT_ARCH: _, ...calls } = ARCH.arm64;
      const theirs = evaluate(compiler!, {
        headers: [],
        // Only x86-64 packs it, for programs of 32 bits.
        preamble: "struct unpacked { uint32_t events; union { void *ptr; uint64_t u64; } data; };",
        expressions: {
          EPOLL_EVENT_SIZE: "sizeof(struct unpacked)",
          EPOLL_DATA_OFFSET: "offsetof(struct unpacked, data)",
        },
      });
      assertSame({ EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET }, theirs);
      assertCalls(calls, "asm-generic/unistd.h");
    },
  );

  test("has the numbers of raw_numbers.ts", { skip, timeout: TEST_TIMEOUT_MS }, async () => {
    const { arch } = await testRuntime();
    const all = Object.entries<{ x64: number; arm64: number; name?: string }>(RAW_CALLS);
    const numbersOf = (of: "x64" | "arm64") =>
      Object.fromEntries(all.map(([call, { name, [of]: n }]) => [`SYS_${name ?? call}`, n]));
    assertCalls(numbersOf(arch), "asm/unistd.h");
    assertCalls(numbersOf("arm64"), "asm-generic/unistd.h");
  });

  test(
    "has a name for each errno, and says the number of others",
    { timeout: TEST_TIMEOUT_MS },
    () => {
      assert.equal(errnoName(C.EADDRINUSE), "EADDRINUSE");
      assert.equal(errnoName(C.ENOSYS), "ENOSYS");
      assert.equal(errnoName(C.EPERM), "EPERM");
      assert.equal(errnoName(C.EAGAIN), "EAGAIN", "not EWOULDBLOCK");
      assert.equal(errnoName(77), "errno 77");
    },
  );
});

/** @param header numbers those of `ours`; -1: it has none */
function assertCalls(ours: Numbers, header: string): void {
  const optional = Object.fromEntries(
    Object.keys(ours).map((name) => [name, name.replace(/^SYS_/, "__NR_")]),
  );
  const found = evaluate(compiler!, { headers: [header], expressions: {}, optional });
  assert.deepEqual(ours, Object.fromEntries([...found].map(([name, n]) => [name, n ?? -1])));
}
