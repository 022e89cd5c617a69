/** sendmsg(2) without any of baton's own limits: what a stranger may send. */
import assert from "node:assert/strict";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { struct } from "../../src/platform/libc/libc.ts";
import type { Platform } from "../../src/platform/platform.ts";

const CMSG_HEADER_SIZE = 16;

export interface RawMessage {
  readonly data: Uint8Array;
  /** Numbers of descriptors to pass, as many as the kernel takes. */
  readonly rights?: readonly number[];
  /** Who we say we are; only root may lie. */
  readonly credentials?: { readonly pid: number; readonly uid: number; readonly gid: number };
}

export function sendRaw(platform: Platform, socket: Fd, message: RawMessage): void {
  const { libc } = platform;
  const { data, rights = [], credentials } = message;
  const iovec = struct(16);
  iovec.view.setBigUint64(0, BigInt(libc.addressOf(data)), true);
  iovec.view.setBigUint64(8, BigInt(data.length), true);
  const control = credentials === undefined
    ? controlMessage(C.SCM_RIGHTS, rights)
    : controlMessage(C.SCM_CREDENTIALS, [credentials.pid, credentials.uid, credentials.gid]);
  const header = struct(56);
  header.view.setBigUint64(16, BigInt(libc.addressOf(iovec.bytes)), true);
  header.view.setBigUint64(24, 1n, true);
  header.view.setBigUint64(32, BigInt(libc.addressOf(control)), true);
  header.view.setBigUint64(40, BigInt(control.length), true);
  const sent = libc.c.sendmsg(socket.number, header.bytes, C.MSG_NOSIGNAL);
  libc.check(sent, "sendmsg", "a raw message");
  // The kernel has read through our pointers: until here all of it had to be referenced.
  for (const kept of [data, iovec.bytes, control]) assert.ok(kept.length > 0);
}

/** One cmsghdr and its numbers of 32 bits. */
function controlMessage(type: number, numbers: readonly number[]): Uint8Array {
  const length = CMSG_HEADER_SIZE + 4 * numbers.length;
  const { bytes, view } = struct((length + 7) & ~7);
  view.setBigUint64(0, BigInt(length), true);
  view.setInt32(8, C.SOL_SOCKET, true);
  view.setInt32(12, type, true);
  numbers.forEach((number, i) => view.setInt32(CMSG_HEADER_SIZE + 4 * i, number, true));
  return bytes;
}
