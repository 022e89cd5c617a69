/** One dump over a sock_diag netlink socket: netlink(7), sock_diag(7). */
import { SystemCallError } from "../error.ts";
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import type { Libc } from "../libc/libc.ts";

/** sizeof(struct nlmsghdr). */
export const NLMSG_HEADER_SIZE = 16;
const RECEIVE_SIZE = 1 << 17;

/** Gets one answer, without its header: from `at` to `end` of a buffer that the next one is written to. */
type OnMessage = (bytes: Uint8Array, view: DataView, at: number, end: number) => void;

/**
 * Sends `request` and hands each answer to `onMessage`. A view of each of its own would cost more than to decode it.
 * @throws {SystemCallError} also of the kernel's own answer; ENOENT: no module shows sockets of this family
 */
export function dumpSockets(
  libc: Libc,
  socket: Fd,
  request: Uint8Array,
  { subject, onMessage }: { subject: string; onMessage: OnMessage },
): void {
  const { c } = libc;
  const sent = libc.retry(() => c.send(socket.number, request, request.length, 0));
  libc.check(sent, "send", "NETLINK_SOCK_DIAG");
  const buffer = new Uint8Array(RECEIVE_SIZE);
  const view = new DataView(buffer.buffer);
  for (;;) {
    const count = libc.retry(() => c.recv(socket.number, buffer, buffer.length, 0));
    libc.check(count, "recv", "NETLINK_SOCK_DIAG");
    if (readMessages(buffer, view, count, subject, onMessage) === "done") return;
  }
}

function readMessages(
  bytes: Uint8Array,
  view: DataView,
  count: number,
  subject: string,
  onMessage: OnMessage,
): "more" | "done" {
  for (let at = 0; at + NLMSG_HEADER_SIZE <= count;) {
    const length = view.getUint32(at, true);
    const type = view.getUint16(at + 4, true);
    if (type === C.NLMSG_DONE) return "done";
    if (type === C.NLMSG_ERROR) {
      throw new SystemCallError("dump", -view.getInt32(at + NLMSG_HEADER_SIZE, true), subject);
    }
    if (length < NLMSG_HEADER_SIZE) break;
    if (type === C.SOCK_DIAG_BY_FAMILY) {
      onMessage(bytes, view, at + NLMSG_HEADER_SIZE, Math.min(at + length, count));
    }
    at += (length + 3) & ~3;
  }
  return "more";
}

/** The attributes of a message by type; `at` is where the first one begins. */
export function attributesOf(bytes: Uint8Array, at: number): Map<number, DataView> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found = new Map<number, DataView>();
  while (at + 4 <= bytes.length) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    const value = new DataView(bytes.buffer, bytes.byteOffset + at + 4, length - 4);
    found.set(view.getUint16(at + 2, true), value);
    at += (length + 3) & ~3;
  }
  return found;
}
