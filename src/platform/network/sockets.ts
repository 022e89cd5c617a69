/** Sockets: creation, options, addresses. socket(2), socket(7), tcp(7), unix(7) */
import {
  decodeAddress,
  decodeUnixPath,
  encodeAddress,
  encodeUnixPath,
  formatAddress,
  type InetAddress,
} from "./address.ts";
import { SystemCallError } from "../error.ts";
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { type Libc, struct } from "../libc/libc.ts";

const SOCKADDR_STORAGE_SIZE = 128;

/** Socket verbs. All throw `SystemCallError`. Every descriptor is close-on-exec from birth. */
export class Sockets {
  constructor(readonly libc: Libc) {}

  /** socket(2) of type `SOCK_STREAM`, without an address yet. */
  stream(family: "inet" | "inet6" | "unix", { nonblocking = false } = {}): Fd {
    const domain = { inet: C.AF_INET, inet6: C.AF_INET6, unix: C.AF_UNIX }[family];
    return this.#open(domain, C.SOCK_STREAM, nonblocking, family);
  }

  /** A Unix socket without an address that keeps message boundaries and carries descriptors. */
  packets({ nonblocking = false } = {}): Fd {
    return this.#open(C.AF_UNIX, C.SOCK_SEQPACKET, nonblocking, "AF_UNIX");
  }

  #open(domain: number, type: number, nonblocking: boolean, subject: string): Fd {
    const flags = C.SOCK_CLOEXEC | (nonblocking ? C.SOCK_NONBLOCK : 0);
    return Fd.of(this.libc, this.libc.c.socket(domain, type | flags, 0), "socket", subject);
  }

  /** A connected pair that keeps message boundaries and carries descriptors. */
  pair(): [Fd, Fd] {
    const { bytes, view } = struct(8);
    const type = C.SOCK_SEQPACKET | C.SOCK_CLOEXEC;
    this.libc.check(this.libc.c.socketpair(C.AF_UNIX, type, 0, bytes), "socketpair", "AF_UNIX");
    return [
      new Fd(this.libc, view.getInt32(0, true)),
      new Fd(this.libc, view.getInt32(4, true)),
    ];
  }

  /** Unix datagram socket bound to `path`, with the sender's credentials on each message. */
  datagram(path: string): Fd {
    return this.#datagram(path, (fd) => {
      this.setOption(fd, C.SOL_SOCKET, C.SO_PASSCRED, 1);
      this.bindUnix(fd, path);
    });
  }

  /** Unix datagram socket that sends to `path`; never blocks. */
  datagramTo(path: string): Fd {
    return this.#datagram(path, (fd) => this.connectUnix(fd, path));
  }

  #datagram(path: string, prepare: (fd: Fd) => void): Fd {
    const fd = this.#open(C.AF_UNIX, C.SOCK_DGRAM, true, path);
    try {
      prepare(fd);
    } catch (error) {
      fd.close();
      throw error;
    }
    return fd;
  }

  bindInet(fd: Fd, address: InetAddress): void {
    this.#bind(fd, encodeAddress(address), formatAddress(address));
  }

  bindUnix(fd: Fd, path: string): void {
    this.#bind(fd, encodeUnixPath(path), path);
  }

  #bind(fd: Fd, address: Uint8Array, subject: string): void {
    this.libc.check(this.libc.c.bind(fd.number, address, address.length), "bind", subject);
  }

  connectInet(fd: Fd, address: InetAddress): void {
    this.libc.check(this.#connect(fd, encodeAddress(address)), "connect", formatAddress(address));
  }

  connectUnix(fd: Fd, path: string): void {
    this.libc.check(this.#connect(fd, encodeUnixPath(path)), "connect", path);
  }

  /**
   * Starts to connect a nonblocking socket: it becomes writable when that has succeeded or failed.
   * @throws {SystemCallError} when it has failed already
   */
  startConnecting(fd: Fd, address: InetAddress): void {
    const result = this.#connect(fd, encodeAddress(address));
    if (result < 0 && this.libc.errno === C.EINPROGRESS) return;
    this.libc.check(result, "connect", formatAddress(address));
  }

  /** SO_ERROR. @returns null when it is connected */
  connectingFailure(fd: Fd, to: string): SystemCallError | null {
    const errno = this.option(fd, C.SOL_SOCKET, C.SO_ERROR);
    return errno === 0 ? null : new SystemCallError("connect", errno, to);
  }

  #connect(fd: Fd, address: Uint8Array): number {
    return this.libc.retry(() => this.libc.c.connect(fd.number, address, address.length));
  }

  /** connect(2) with AF_UNSPEC: a TCP socket is as new, bound to nothing. */
  disconnect(fd: Fd): void {
    const bytes = new Uint8Array(16);
    const result = this.libc.c.connect(fd.number, bytes, bytes.length);
    this.libc.check(result, "connect", `descriptor ${fd.number} to nothing`);
  }

  listen(fd: Fd, backlog: number): void {
    this.libc.check(this.libc.c.listen(fd.number, backlog), "listen", `descriptor ${fd.number}`);
  }

  /**
   * shutdown(2) of a listener: takes it out of the kernel's tables, even if other processes have it open.
   * Closing our own descriptor would do so only if it were the last one.
   */
  stopListening(fd: Fd): void {
    this.libc.c.shutdown(fd.number, C.SHUT_RDWR);
  }

  /** shutdown(2) of the sending side: FIN after the data sent, even if other processes have the socket open. */
  endSending(fd: Fd): void {
    this.#shutdown(fd, C.SHUT_WR);
  }

  /** shutdown(2) of both sides: every process that has it open reads the end, and the peer gets a FIN after the data sent. */
  endBoth(fd: Fd): void {
    this.#shutdown(fd, C.SHUT_RDWR);
  }

  #shutdown(fd: Fd, how: number): void {
    this.libc.check(this.libc.c.shutdown(fd.number, how), "shutdown", `descriptor ${fd.number}`);
  }

  /** The kernel's number for this socket, never used for another one. SO_COOKIE, Linux 4.12 */
  cookie(fd: Fd): bigint {
    return this.optionBytes(fd, C.SOL_SOCKET, C.SO_COOKIE, 8, "SO_COOKIE").getBigUint64(0, true);
  }

  /** Bytes received and not yet read. FIONREAD, tcp(7) */
  unreadBytes(fd: Fd): number {
    return this.#bytesCounted(fd, C.FIONREAD, "ioctl(FIONREAD)");
  }

  /** Bytes written and not yet acknowledged. SIOCOUTQ, tcp(7) */
  unacknowledgedBytes(fd: Fd): number {
    return this.#bytesCounted(fd, C.TIOCOUTQ, "ioctl(SIOCOUTQ)");
  }

  #bytesCounted(fd: Fd, request: number, call: string): number {
    const { bytes, view } = struct(4);
    this.libc.check(this.libc.c.ioctl(fd.number, request, bytes), call, `descriptor ${fd.number}`);
    return view.getInt32(0, true);
  }

  /** TCP_* state number: tcpi_state, the first byte of struct tcp_info. */
  tcpState(fd: Fd): number {
    return this.optionBytes(fd, C.IPPROTO_TCP, C.TCP_INFO, 1, "TCP_INFO").getUint8(0);
  }

  /** Peeks at received data, up to the size of `buffer`. Never blocks. */
  peek(fd: Fd, buffer: Uint8Array): Uint8Array {
    const flags = C.MSG_PEEK | C.MSG_DONTWAIT;
    const count = this.libc.retry(() => this.libc.c.recv(fd.number, buffer, buffer.length, flags));
    if (count < 0 && this.libc.errno === C.EAGAIN) return buffer.subarray(0, 0);
    return buffer.subarray(0, this.libc.check(count, "recv", `descriptor ${fd.number}`));
  }

  /** @returns a connection, or null when none is waiting */
  accept(fd: Fd, { nonblocking = true } = {}): Fd | null {
    const flags = C.SOCK_CLOEXEC | (nonblocking ? C.SOCK_NONBLOCK : 0);
    const number = this.libc.retry(() => this.libc.c.accept4(fd.number, null, null, flags));
    if (number < 0 && this.libc.errno === C.EAGAIN) return null;
    return Fd.of(this.libc, number, "accept4", `descriptor ${fd.number}`);
  }

  option(fd: Fd, level: number, name: number): number {
    return this.optionBytes(fd, level, name, 4).getInt32(0, true);
  }

  /** What the kernel knows of an option, `size` bytes at most. getsockopt(2) */
  optionBytes(
    fd: Fd,
    level: number,
    name: number,
    size: number,
    subject = `option ${name} of descriptor ${fd.number}`,
  ): DataView {
    const value = new Uint8Array(size);
    const length = new Uint32Array([size]);
    const lengthBytes = new Uint8Array(length.buffer);
    const result = this.libc.c.getsockopt(fd.number, level, name, value, lengthBytes);
    this.libc.check(result, "getsockopt", subject);
    return new DataView(value.buffer, 0, length[0]);
  }

  setOption(fd: Fd, level: number, name: number, value: number): void {
    const { bytes, view } = struct(4);
    view.setInt32(0, value, true);
    this.setOptionBytes(fd, level, name, bytes);
  }

  setOptionBytes(fd: Fd, level: number, name: number, bytes: Uint8Array): void {
    const result = this.libc.c.setsockopt(fd.number, level, name, bytes, bytes.length);
    this.libc.check(result, "setsockopt", `option ${name} of descriptor ${fd.number}`);
  }

  /** SO_SNDTIMEO and SO_RCVTIMEO in milliseconds; 0 waits forever. */
  setTimeouts(fd: Fd, timeoutMs: number): void {
    const [seconds, microseconds] = [Math.floor(timeoutMs / 1000), (timeoutMs % 1000) * 1000];
    const words = new BigInt64Array([BigInt(seconds), BigInt(microseconds)]);
    const timeval = new Uint8Array(words.buffer);
    this.setOptionBytes(fd, C.SOL_SOCKET, C.SO_RCVTIMEO, timeval);
    this.setOptionBytes(fd, C.SOL_SOCKET, C.SO_SNDTIMEO, timeval);
  }

  /** @returns the local address, or null when the socket is not IPv4 or IPv6 */
  localAddress(fd: Fd): InetAddress | null {
    return decodeAddress(this.#name(fd, "getsockname"));
  }

  /** @returns the peer's address, or null when the socket is not IPv4 or IPv6 */
  peerAddress(fd: Fd): InetAddress | null {
    return decodeAddress(this.#name(fd, "getpeername"));
  }

  /** The peer's address as bytes, struct sockaddr_in or sockaddr_in6: what accept(2) would have written. */
  peerName(fd: Fd): Uint8Array {
    return this.#name(fd, "getpeername");
  }

  /** @returns what `bindUnix` was given; null = nothing */
  unixPath(fd: Fd): string | null {
    return decodeUnixPath(this.#name(fd, "getsockname"));
  }

  #name(fd: Fd, call: "getsockname" | "getpeername"): Uint8Array {
    const address = new Uint8Array(SOCKADDR_STORAGE_SIZE);
    const length = new Uint32Array([address.length]);
    const result = this.libc.c[call](fd.number, address, new Uint8Array(length.buffer));
    this.libc.check(result, call, `descriptor ${fd.number}`);
    return address.subarray(0, length[0]);
  }

  /** SO_PEERCRED: the credentials that the kernel recorded at connect(2). */
  peerCredentials(fd: Fd): { pid: number; uid: number; gid: number } {
    const view = this.optionBytes(fd, C.SOL_SOCKET, C.SO_PEERCRED, 12, "SO_PEERCRED");
    return {
      pid: view.getInt32(0, true),
      uid: view.getUint32(4, true),
      gid: view.getUint32(8, true),
    };
  }

  /**
   * SO_ATTACH_REUSEPORT_CBPF: from now on `program` (struct sock_filter[]) picks the member that a
   * new connection of `member`'s group goes to. Replaces the program before it; no privilege needed.
   */
  attachReuseportProgram(member: Fd, program: Uint8Array): void {
    this.#attach(member, C.SO_ATTACH_REUSEPORT_CBPF, program);
  }

  /** SO_DETACH_REUSEPORT_BPF, Linux 5.3: the kernel chooses by itself again. Harmless without a program. */
  detachReuseportProgram(member: Fd): void {
    const { bytes } = struct(4);
    const { SOL_SOCKET, SO_DETACH_REUSEPORT_BPF } = C;
    this.libc.c.setsockopt(member.number, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, bytes, bytes.length);
  }

  /** SO_ATTACH_FILTER: what `program` returns 0 for never reaches the socket; socket(7). */
  attachFilter(fd: Fd, program: Uint8Array): void {
    this.#attach(fd, C.SO_ATTACH_FILTER, program);
  }

  #attach(fd: Fd, option: number, program: Uint8Array): void {
    // struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    const { bytes, view } = struct(16);
    view.setUint16(0, program.length / 8, true);
    view.setBigUint64(8, BigInt(this.libc.addressOf(program)), true);
    this.setOptionBytes(fd, C.SOL_SOCKET, option, bytes);
  }
}
