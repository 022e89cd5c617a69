/**
 * Any signal as a readable descriptor: for signals that the runtimes do not know (real-time signals), do not deliver,
 * or use themselves (Deno opens its inspector at USR1).
 *
 * sigaction(2) with a handler of a few instructions, which writes to an eventfd(2). A signal goes to any thread of the
 * process that does not block it, and a runtime has threads from before our first line: so signalfd(2), which needs it
 * blocked in all of them, would lose it or let it kill the process. The handler makes one system call, and touches
 * neither errno nor memory: signal-safety(7).
 */
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { type Libc, struct } from "../libc/libc.ts";
import type { Platform } from "../platform.ts";

const PAGE_SIZE = 4096;
/** struct sigaction of both C libraries: handler, mask of 128 bytes, flags. */
const SIGACTION_SIZE = 160;
const FLAGS_OFFSET = 136;
const EVENT_SIZE = 8;
/** Deliveries at once that are counted; more count as this many. */
const MOST_AT_ONCE = 3;

/** `write(descriptor, &one, 8)`, and the 64-bit one behind it. */
function handlerCode(arch: "x64" | "arm64", descriptor: number): Uint8Array {
  const { bytes, view } = struct(PAGE_SIZE);
  if (arch === "x64") {
    bytes.set([
      ...[0xb8, 1, 0, 0, 0], // mov eax, 1: write
      ...[0xbf, 0, 0, 0, 0], // mov edi, descriptor
      ...[0x48, 0x8d, 0x35, 8, 0, 0, 0], // lea rsi, [rip + 8]
      ...[0xba, 8, 0, 0, 0], // mov edx, 8
      ...[0x0f, 0x05], // syscall
      ...[0xc3], // ret
      ...[1], // the one
    ]);
    view.setUint32(6, descriptor, true);
    return bytes;
  }
  const words = [
    0xd2800808, // mov x8, #64: write
    0x52800000 | (descriptor & 0xffff) << 5, // movz w0, low half of the descriptor
    0x72a00000 | descriptor >>> 16 << 5, // movk w0, high half, lsl #16
    0x10000081, // adr x1, #16
    0xd2800102, // mov x2, #8
    0xd4000001, // svc #0
    0xd65f03c0, // ret
    1, // the one
  ];
  words.forEach((word, index) => view.setUint32(index * 4, word, true));
  return bytes;
}

/**
 * Calls `handler` for each delivery of a signal. @throws {SystemCallError} for KILL and STOP
 * @returns restores the previous action
 */
export function relaySignal(
  { libc, reactor }: Platform,
  signal: number,
  handler: () => void,
): () => void {
  const { c } = libc;
  const number = c.eventfd(0, C.EFD_CLOEXEC | C.EFD_NONBLOCK);
  const event = Fd.of(libc, number, "eventfd", "a signal");
  // The code is never unmapped: a thread may still be in it.
  const action = actionFor(libc, handlerCode(libc.runtime.arch, number));
  const watch = reactor.watch(event, () => {
    const count = struct(EVENT_SIZE);
    const isRead = c.read(event.number, count.bytes, EVENT_SIZE) === EVENT_SIZE;
    watch.arm();
    const times = isRead ? Math.min(Number(count.view.getBigUint64(0, true)), MOST_AT_ONCE) : 0;
    for (let time = 0; time < times; time++) handler();
  });
  const forget = () => {
    watch.cancel();
    event.close();
  };
  const before = new Uint8Array(SIGACTION_SIZE);
  try {
    libc.check(c.sigaction(signal, action, before), "sigaction", `signal ${signal}`);
  } catch (error) {
    forget();
    throw error;
  }
  return () => {
    c.sigaction(signal, before, null);
    forget();
  };
}

function actionFor(libc: Libc, code: Uint8Array): Uint8Array {
  const { c } = libc;
  const writable = C.PROT_READ | C.PROT_WRITE;
  const flags = C.MAP_PRIVATE | C.MAP_ANONYMOUS;
  const address = libc.check(c.mmap(0, PAGE_SIZE, writable, flags, -1, 0), "mmap", "a page");
  libc.runtime.viewOf(address, PAGE_SIZE).set(code);
  const executable = C.PROT_READ | C.PROT_EXEC;
  libc.check(c.mprotect(address, PAGE_SIZE, executable), "mprotect", "the handler of a signal");
  const { bytes, view } = struct(SIGACTION_SIZE);
  view.setBigUint64(0, BigInt(address), true);
  view.setInt32(FLAGS_OFFSET, C.SA_RESTART | C.SA_ONSTACK, true);
  return bytes;
}
