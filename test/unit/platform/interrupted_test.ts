/** What the supervisor asks of a filter may be interrupted by a signal, and is asked again then. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { Libc } from "../../../src/platform/libc/libc.ts";
import { Seccomp } from "../../../src/platform/process/seccomp.ts";

const NOTIFY = { number: 12 } as Fd;
const ID = 7n;

/** A C library whose first ioctl is interrupted, and the second one goes well. */
function interrupted() {
  const asked: number[] = [];
  const ioctl = (_: number, request: number) => asked.push(request) === 1 ? -1 : 0;
  const { retry, check } = Libc.prototype;
  const libc = { ...{ retry, check }, errno: C.EINTR, c: { ioctl } } as unknown as Libc;
  return { asked, seccomp: new Seccomp(libc) };
}

const DESCRIPTOR = { source: NOTIFY, closeOnExec: true };
const CALLS: readonly [name: string, request: number, ask: (seccomp: Seccomp) => unknown][] = [
  ["receive", C.SECCOMP_IOCTL_NOTIF_RECV, (it) => it.receive(NOTIFY) !== null],
  ["isValid", C.SECCOMP_IOCTL_NOTIF_ID_VALID, (it) => it.isValid(NOTIFY, ID)],
  ["continue", C.SECCOMP_IOCTL_NOTIF_SEND, (it) => it.continue(NOTIFY, ID)],
  ["answer", C.SECCOMP_IOCTL_NOTIF_SEND, (it) => it.answer(NOTIFY, ID, 0)],
  ["refuse", C.SECCOMP_IOCTL_NOTIF_SEND, (it) => it.refuse(NOTIFY, ID, C.EACCES)],
  ["replaceDescriptor", C.SECCOMP_IOCTL_NOTIF_ADDFD, (it) => {
    it.replaceDescriptor(NOTIFY, ID, { ...DESCRIPTOR, target: 5 });
    return true;
  }],
  [
    "answerWithDescriptor",
    C.SECCOMP_IOCTL_NOTIF_ADDFD,
    (it) => it.answerWithDescriptor(NOTIFY, ID, DESCRIPTOR) >= 0,
  ],
];

describe("Seccomp, interrupted", () => {
  for (const [name, request, ask] of CALLS) {
    test(`${name}() asks again`, () => {
      const { asked, seccomp } = interrupted();
      assert.equal(ask(seccomp), true);
      assert.deepEqual(asked, [request, request]);
    });
  }
});
