/**
 * The Linux that the rest of baton sees, in one value: made once in `main_*` and passed on, so that there is no hidden
 * global and tests can have their own.
 */
import { Descriptors } from "./network/passed_descriptors.ts";
import { type Clock, systemClock } from "./clock.ts";
import { Files } from "./files/files.ts";
import { Inotify } from "./files/inotify.ts";
import { Libc } from "./libc/libc.ts";
import { Processes } from "./process/processes.ts";
import { Reactor } from "./reactor.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { Seccomp } from "./process/seccomp.ts";
import { SockDiag } from "./network/sock_diag.ts";
import { Sockets } from "./network/sockets.ts";
import { UnixDiag } from "./network/unix_diag.ts";
import { Terminals } from "./process/terminals.ts";

export class Platform {
  readonly libc: Libc;
  readonly sockets: Sockets;
  readonly descriptors: Descriptors;
  readonly files: Files;
  readonly processes: Processes;
  readonly seccomp: Seccomp;
  readonly sockDiag: SockDiag;
  readonly unixDiag: UnixDiag;
  readonly terminals: Terminals;
  readonly inotify: Inotify;
  #reactor: Reactor | null = null;

  constructor(readonly runtime: Runtime, readonly clock: Clock = systemClock(runtime)) {
    this.libc = new Libc(runtime);
    this.sockets = new Sockets(this.libc);
    this.descriptors = new Descriptors(this.libc);
    this.files = new Files(this.libc, this.descriptors);
    this.processes = new Processes(this.libc);
    this.seccomp = new Seccomp(this.libc);
    this.inotify = new Inotify(this.libc);
    this.sockDiag = new SockDiag(this.libc, this.sockets);
    this.unixDiag = new UnixDiag(this.libc, this.sockDiag);
    this.terminals = new Terminals(this.libc, this.processes);
  }

  /** The reactor, started at its first use: the launcher and most commands never need its thread. */
  get reactor(): Reactor {
    return this.#reactor ??= new Reactor(this.libc);
  }

  /** Ends the reactor's thread, if it was started. */
  async close(): Promise<void> {
    await this.#reactor?.close();
    this.#reactor = null;
  }
}
