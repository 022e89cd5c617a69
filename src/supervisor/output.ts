/**
 * A candidate's standard output and error: forwarded to baton's own, and the last lines remembered
 * for the verdict of a reload. After the gate the server's descriptors 1 and 2 are replaced by
 * baton's own, and what is left here is for processes that still hold the pipe (a parent shell).
 *
 * Never blocks: when baton's own output cannot take more, the pipe is not read, and the writer waits
 * as it would without baton.
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { descriptorTarget, epollWatchedInodes, ownDescriptorTarget } from "../platform/proc.ts";
import type { Watch } from "../platform/reactor.ts";

/** What a pipe takes without blocking once poll(2) calls it writable: PIPE_BUF. */
const CHUNK_SIZE = 4096;
/** Lines and bytes remembered. */
const TAIL_LINES = 100;
const TAIL_LINE_BYTES = 4096;

/** Most bytes read at once from a server that has ended; others may hold its pipe and go on. */
const LAST_WORDS = 256 * 1024;

/** The last lines of a stream of text. */
export class Tail {
  #lines: string[] = [];
  #partial = "";
  readonly #decoder = new TextDecoder();

  add(bytes: Uint8Array): void {
    const parts = (this.#partial + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#partial = (parts.pop() ?? "").slice(-TAIL_LINE_BYTES);
    this.#lines.push(...parts.map((line) => line.slice(0, TAIL_LINE_BYTES)));
    if (this.#lines.length > TAIL_LINES) this.#lines = this.#lines.slice(-TAIL_LINES);
  }

  /** @returns at most `count` last lines, an unfinished one included */
  lines(count: number): string[] {
    const all = this.#partial === "" ? this.#lines : [...this.#lines, this.#partial];
    return count === 0 ? [] : all.slice(-count);
  }
}

interface Stream {
  /** 1 or 2. */
  readonly target: number;
  readonly read: Fd;
  /** Our duplicate of baton's own descriptor `target`. */
  readonly own: Fd;
  /** Null once the server's ends are all closed. */
  watch: Watch | null;
  /** Waits until baton's own output takes more. */
  waiting: Watch | null;
  /** The pipe as /proc names it, to recognise it in the server. */
  readonly identity: string;
}

export class Output {
  readonly tail = new Tail();
  readonly #streams: Stream[] = [];
  /** Looks at what comes, while somebody does: until then the server's descriptors stay the pipes. */
  onBytes: ((stream: number, bytes: Uint8Array) => void) | null = null;

  constructor(readonly platform: Platform) {}

  /**
   * Makes the pipes. @returns what the server gets as descriptors 1 and 2; close after the spawn
   * @throws {SystemCallError} EMFILE; what there is already goes with `close`
   */
  open(): [Fd, Fd] {
    const out = this.#stream(1);
    try {
      return [out, this.#stream(2)];
    } catch (error) {
      out.close();
      throw error;
    }
  }

  #stream(target: number): Fd {
    const { read, write } = this.platform.descriptors.pipe();
    try {
      this.platform.descriptors.setNonblocking(read);
      this.resume(target, read);
    } catch (error) {
      read.close();
      write.close();
      throw error;
    }
    return write;
  }

  /** Our ends of the pipes that somebody may still write to. */
  get ends(): readonly { readonly target: number; readonly read: Fd }[] {
    return this.#streams.filter(({ read }) => read.isOpen);
  }

  /** Forwards what comes out of `read`, which it takes over. @param target 1 or 2 */
  resume(target: number, read: Fd): void {
    const identity = ownDescriptorTarget(read.number) ?? "";
    const own = this.platform.descriptors.duplicate(target);
    const stream: Stream = { target, read, own, watch: null, waiting: null, identity };
    stream.watch = this.platform.reactor.watch(read, () => this.#forward(stream));
    this.#streams.push(stream);
  }

  /** Moves what is there, up to one chunk. */
  #forward(stream: Stream): void {
    const { own } = stream;
    const { descriptors, reactor } = this.platform;
    if (!descriptors.isWritable(own)) {
      stream.waiting = reactor.watch(own, () => {
        this.#stopWaiting(stream);
        this.#forward(stream);
      }, { write: true });
      return;
    }
    const bytes = descriptors.read(stream.read, new Uint8Array(CHUNK_SIZE));
    if (bytes === null) return stream.watch?.arm();
    if (bytes.length === 0) return this.#close(stream);
    this.#note(stream, bytes);
    try {
      descriptors.write(own, bytes);
    } catch {
      // baton's own output is gone (EPIPE, full disk): the lines are still remembered.
    }
    stream.watch?.arm();
  }

  #note(stream: Stream, bytes: Uint8Array): void {
    this.tail.add(bytes);
    this.onBytes?.(stream.target, bytes);
  }

  #stopWaiting(stream: Stream): void {
    stream.waiting?.cancel();
    stream.waiting = null;
  }

  #close(stream: Stream): void {
    // Before the descriptor is closed: epoll would go on with the file behind its number.
    this.#stopWaiting(stream);
    stream.watch?.cancel();
    stream.watch = null;
    stream.read.close();
    stream.own.close();
  }

  /**
   * Puts baton's own descriptors over those of the process that waits in a trapped call, where they
   * still are our pipes.
   *
   * Left alone is a pipe that the caller has in its epoll set: it waits there to write the rest of
   * what it has in memory (libuv, Bun). The registration would go with the pipe, and all its output
   * would wait for ever. Such a server goes on being forwarded.
   */
  handOver(caller: { notify: Fd; id: bigint; pid: number }): void {
    const awaited = new Set([...epollWatchedInodes(caller.pid)].map((inode) => `pipe:[${inode}]`));
    for (const { target, identity, own } of this.#streams) {
      if (descriptorTarget(caller.pid, target) !== identity || awaited.has(identity)) continue;
      this.platform.seccomp.replaceDescriptor(caller.notify, caller.id, {
        source: own,
        target,
        closeOnExec: false,
      });
    }
  }

  /** Reads what is left without waiting: the last words of a server that has ended. */
  drain(): void {
    for (const stream of this.#streams) {
      for (let moved = 0; stream.read.isOpen && moved < LAST_WORDS; moved += CHUNK_SIZE) {
        const bytes = this.platform.descriptors.read(stream.read, new Uint8Array(CHUNK_SIZE));
        if (bytes === null || bytes.length === 0) break;
        this.#note(stream, bytes);
        try {
          if (this.platform.descriptors.isWritable(stream.own)) {
            this.platform.descriptors.write(stream.own, bytes);
          }
        } catch {
          // As in #forward.
        }
      }
    }
  }

  close(): void {
    for (const stream of this.#streams) {
      if (stream.watch !== null) this.#close(stream);
    }
  }
}
