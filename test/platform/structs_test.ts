/**
 * Sizes and offsets of every C struct that `src/platform` builds or reads by hand, against a C compiler.
 *
 * The numbers stand beside the file that uses them; where that file exports them they are imported. What
 * baton only reserves room for (sigset_t, posix_spawn's opaque types) must fit in it.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SOCKADDR_IN6_SIZE, SOCKADDR_IN_SIZE } from "../../src/platform/network/address.ts";
import { NLMSG_HEADER_SIZE } from "../../src/platform/network/netlink.ts";
import { UNIX_MESSAGE_SIZE, UNIX_REQUEST_SIZE } from "../../src/platform/network/unix_diag.ts";
import {
  NOTIF_ADDFD_SIZE,
  NOTIF_RESP_SIZE,
  NOTIF_SIZE,
} from "../../src/platform/process/seccomp.ts";
import {
  MESSAGE_SIZE,
  REQUEST_SIZE,
  TCP_INFO_BYTES_ACKED,
  TCP_INFO_BYTES_RECEIVED,
  TCP_INFO_DATA_SEGS_IN,
  TCP_INFO_DATA_SEGS_OUT,
  TCP_INFO_LAST_ACK_RECV,
  TCP_INFO_LAST_DATA_RECV,
  TCP_INFO_LAST_DATA_SENT,
  TCP_INFO_OPTIONS,
  TCP_INFO_SEGS_OUT,
  TCP_INFO_UNACKED,
} from "../../src/platform/network/sock_diag.ts";
import { evaluate, findCompiler, hasHeader } from "../support/c_compiler.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";

const compiler = findCompiler();
const skip = compiler === null
  ? "there is no C compiler (cc, gcc or clang) in PATH"
  : ["sys/socket.h", "linux/seccomp.h", "linux/inet_diag.h", "linux/tcp.h"]
      .every((header) => hasHeader(compiler, header))
  ? false
  : "the compiler has no kernel headers (linux-libc-dev)";

interface Layout {
  readonly type: string;
  readonly headers: readonly string[];
  readonly size?: number;
  /** Room reserved for a type that only C code fills in. */
  readonly fitsIn?: number;
  readonly offsets?: Readonly<Record<string, number>>;
  /** Sizes of fields, as they are read and written. */
  readonly widths?: Readonly<Record<string, number>>;
}

const SOCKETS = ["sys/socket.h", "sys/un.h", "netinet/in.h"];
const SECCOMP = ["linux/seccomp.h", "linux/filter.h"];
const DIAG = ["linux/netlink.h", "linux/sock_diag.h", "linux/inet_diag.h"];

/** src/platform/network/address.ts, sockets.ts */
const ADDRESSES: readonly Layout[] = [
  {
    type: "struct sockaddr_in",
    headers: SOCKETS,
    size: SOCKADDR_IN_SIZE,
    offsets: { sin_family: 0, sin_port: 2, sin_addr: 4 },
    widths: { sin_family: 2, sin_port: 2, sin_addr: 4 },
  },
  {
    type: "struct sockaddr_in6",
    headers: SOCKETS,
    size: SOCKADDR_IN6_SIZE,
    offsets: { sin6_family: 0, sin6_port: 2, sin6_addr: 8, sin6_scope_id: 24 },
    widths: { sin6_addr: 16, sin6_scope_id: 4 },
  },
  {
    type: "struct sockaddr_un",
    headers: SOCKETS,
    size: 110,
    offsets: { sun_family: 0, sun_path: 2 },
    widths: { sun_path: 108 },
  },
  { type: "struct sockaddr_storage", headers: SOCKETS, size: 128 },
  {
    type: "struct ucred",
    headers: SOCKETS,
    size: 12,
    offsets: { pid: 0, uid: 4, gid: 8 },
    widths: { pid: 4, uid: 4, gid: 4 },
  },
  {
    type: "struct timeval",
    headers: ["sys/time.h"],
    size: 16,
    offsets: { tv_sec: 0, tv_usec: 8 },
    widths: { tv_sec: 8, tv_usec: 8 },
  },
  {
    type: "struct sock_fprog",
    headers: SECCOMP,
    size: 16,
    offsets: { len: 0, filter: 8 },
    widths: { len: 2, filter: 8 },
  },
  {
    type: "struct sock_filter",
    headers: SECCOMP,
    size: 8,
    offsets: { code: 0, jt: 2, jf: 3, k: 4 },
    widths: { code: 2, jt: 1, jf: 1, k: 4 },
  },
];

/** src/platform/network/passed_descriptors.ts, processes.ts, reactor.ts; process/accept_watch.ts */
const DESCRIPTORS: readonly Layout[] = [
  {
    type: "struct msghdr",
    headers: SOCKETS,
    size: 56,
    offsets: { msg_iov: 16, msg_iovlen: 24, msg_control: 32, msg_controllen: 40, msg_flags: 48 },
    widths: { msg_iov: 8, msg_control: 8, msg_flags: 4 },
  },
  {
    type: "struct iovec",
    headers: SOCKETS,
    size: 16,
    offsets: { iov_base: 0, iov_len: 8 },
    widths: { iov_base: 8, iov_len: 8 },
  },
  {
    type: "struct cmsghdr",
    headers: SOCKETS,
    size: 16,
    offsets: { cmsg_len: 0, cmsg_level: 8, cmsg_type: 12 },
    widths: { cmsg_level: 4, cmsg_type: 4 },
  },
  {
    type: "struct pollfd",
    headers: ["poll.h"],
    size: 8,
    offsets: { fd: 0, events: 4, revents: 6 },
    widths: { fd: 4, events: 2 },
  },
  {
    type: "struct rlimit",
    headers: ["sys/resource.h"],
    size: 16,
    offsets: { rlim_cur: 0, rlim_max: 8 },
    widths: { rlim_cur: 8, rlim_max: 8 },
  },
  { type: "sigset_t", headers: ["signal.h"], fitsIn: 128 },
  { type: "struct sigaction", headers: ["signal.h"], fitsIn: 160 },
  { type: "posix_spawn_file_actions_t", headers: ["spawn.h"], fitsIn: 1024 },
  { type: "posix_spawnattr_t", headers: ["spawn.h"], fitsIn: 1024 },
  { type: "pid_t", headers: ["sys/types.h"], size: 4 },
  { type: "off_t", headers: ["sys/types.h"], size: 8 },
  { type: "socklen_t", headers: SOCKETS, size: 4 },
];

/** src/platform/process/seccomp.ts */
const SECCOMP_LAYOUTS: readonly Layout[] = [
  {
    type: "struct seccomp_data",
    headers: SECCOMP,
    size: 64,
    offsets: { nr: 0, arch: 4, instruction_pointer: 8, args: 16 },
    widths: { nr: 4, arch: 4, args: 48 },
  },
  {
    type: "struct seccomp_notif",
    headers: SECCOMP,
    size: NOTIF_SIZE,
    offsets: { id: 0, pid: 8, "data.nr": 16, "data.args[0]": 32, "data.args[5]": 72 },
    widths: { id: 8, pid: 4, "data.nr": 4, "data.args[0]": 8 },
  },
  {
    type: "struct seccomp_notif_resp",
    headers: SECCOMP,
    size: NOTIF_RESP_SIZE,
    offsets: { id: 0, val: 8, error: 16, flags: 20 },
    widths: { id: 8, val: 8, error: 4, flags: 4 },
  },
  {
    type: "struct seccomp_notif_addfd",
    headers: SECCOMP,
    size: NOTIF_ADDFD_SIZE,
    offsets: { id: 0, flags: 8, srcfd: 12, newfd: 16, newfd_flags: 20 },
    widths: { id: 8, flags: 4, srcfd: 4, newfd: 4, newfd_flags: 4 },
  },
];

/** src/platform/network/unix_diag.ts */
const UNIX_DIAG = [...DIAG, "linux/unix_diag.h"];
const UNIX_DIAG_LAYOUTS: readonly Layout[] = [
  {
    type: "struct unix_diag_req",
    headers: UNIX_DIAG,
    size: UNIX_REQUEST_SIZE,
    offsets: { sdiag_family: 0, udiag_states: 4, udiag_show: 12 },
    widths: { sdiag_family: 1, udiag_states: 4, udiag_show: 4 },
  },
  {
    type: "struct unix_diag_msg",
    headers: UNIX_DIAG,
    size: UNIX_MESSAGE_SIZE,
    offsets: { udiag_state: 2, udiag_ino: 4 },
    widths: { udiag_state: 1, udiag_ino: 4 },
  },
  {
    type: "struct unix_diag_vfs",
    headers: UNIX_DIAG,
    size: 8,
    offsets: { udiag_vfs_ino: 0, udiag_vfs_dev: 4 },
  },
  {
    type: "struct unix_diag_rqlen",
    headers: UNIX_DIAG,
    size: 8,
    offsets: { udiag_rqueue: 0, udiag_wqueue: 4 },
  },
];

/** src/platform/network/sock_diag.ts */
const DIAG_LAYOUTS: readonly Layout[] = [
  {
    type: "struct nlmsghdr",
    headers: DIAG,
    size: NLMSG_HEADER_SIZE,
    offsets: { nlmsg_len: 0, nlmsg_type: 4, nlmsg_flags: 6 },
    widths: { nlmsg_len: 4, nlmsg_type: 2, nlmsg_flags: 2 },
  },
  { type: "struct nlattr", headers: DIAG, size: 4, offsets: { nla_len: 0, nla_type: 2 } },
  {
    type: "struct inet_diag_req_v2",
    headers: DIAG,
    size: REQUEST_SIZE,
    offsets: { sdiag_family: 0, sdiag_protocol: 1, idiag_ext: 2, idiag_states: 4, id: 8 },
    widths: { idiag_ext: 1, idiag_states: 4 },
  },
  {
    type: "struct inet_diag_bc_op",
    headers: DIAG,
    size: 4,
    offsets: { code: 0, yes: 1, no: 2 },
    widths: { code: 1, yes: 1, no: 2 },
  },
  {
    type: "struct inet_diag_msg",
    headers: DIAG,
    size: MESSAGE_SIZE,
    offsets: {
      idiag_family: 0,
      idiag_state: 1,
      "id.idiag_sport": 4,
      "id.idiag_dport": 6,
      "id.idiag_src": 8,
      "id.idiag_dst": 24,
      "id.idiag_if": 40,
      idiag_rqueue: 56,
      idiag_wqueue: 60,
      idiag_uid: 64,
      idiag_inode: 68,
    },
    widths: { idiag_state: 1, "id.idiag_sport": 2, "id.idiag_src": 16, idiag_inode: 4 },
  },
  {
    type: "struct tcp_info",
    headers: ["linux/tcp.h"],
    offsets: {
      tcpi_options: TCP_INFO_OPTIONS,
      tcpi_unacked: TCP_INFO_UNACKED,
      tcpi_segs_out: TCP_INFO_SEGS_OUT,
      tcpi_last_data_sent: TCP_INFO_LAST_DATA_SENT,
      tcpi_last_data_recv: TCP_INFO_LAST_DATA_RECV,
      tcpi_last_ack_recv: TCP_INFO_LAST_ACK_RECV,
      tcpi_bytes_acked: TCP_INFO_BYTES_ACKED,
      tcpi_bytes_received: TCP_INFO_BYTES_RECEIVED,
      tcpi_data_segs_in: TCP_INFO_DATA_SEGS_IN,
      tcpi_data_segs_out: TCP_INFO_DATA_SEGS_OUT,
    },
    widths: {
      tcpi_last_data_sent: 4,
      tcpi_bytes_acked: 8,
      tcpi_bytes_received: 8,
      tcpi_data_segs_in: 4,
      tcpi_data_segs_out: 4,
    },
  },
];

for (
  const [file, layouts] of [
    ["address.ts and sockets.ts", ADDRESSES],
    ["descriptors.ts and processes.ts", DESCRIPTORS],
    ["seccomp.ts", SECCOMP_LAYOUTS],
    ["sock_diag.ts", DIAG_LAYOUTS],
    ["unix_diag.ts", UNIX_DIAG_LAYOUTS],
  ] as const
) {
  describe(`structs of ${file}`, () => {
    for (const layout of layouts) {
      test(`${layout.type} is laid out as the compiler does it`, {
        skip,
        timeout: TEST_TIMEOUT_MS,
      }, () => check(layout));
    }
  });
}

describe("classic BPF in seccomp.ts", () => {
  test(
    "the three instructions have the numbers of the headers",
    { skip, timeout: TEST_TIMEOUT_MS },
    () => {
      const theirs = evaluate(compiler!, {
        headers: ["linux/bpf_common.h"],
        expressions: {
          load: "BPF_LD | BPF_W | BPF_ABS",
          jumpIfEqual: "BPF_JMP | BPF_JEQ | BPF_K",
          return: "BPF_RET | BPF_K",
        },
      });
      assert.deepEqual(Object.fromEntries(theirs), { load: 0x20, jumpIfEqual: 0x15, return: 0x06 });
    },
  );
});

function check({ type, headers, size, fitsIn, offsets = {}, widths = {} }: Layout): void {
  const expressions: Record<string, string> = { size: `sizeof(${type})` };
  for (const field of Object.keys(offsets)) {
    expressions[`@${field}`] = `offsetof(${type}, ${field})`;
  }
  for (const field of Object.keys(widths)) {
    expressions[`#${field}`] = `sizeof(((${type} *)0)->${field})`;
  }
  const theirs = Object.fromEntries(evaluate(compiler!, { headers, expressions }));
  const theirSize = theirs["size"] ?? 0;
  const expected: Record<string, number> = { size: size ?? theirSize };
  for (const [field, offset] of Object.entries(offsets)) expected[`@${field}`] = offset;
  for (const [field, width] of Object.entries(widths)) expected[`#${field}`] = width;
  assert.deepEqual(theirs, expected);
  if (fitsIn !== undefined) assert.ok(theirSize <= fitsIn, `${type}: ${theirSize} <= ${fitsIn}`);
}
