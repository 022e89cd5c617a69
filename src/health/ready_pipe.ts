/**
 * `fd:N`: the server reports readiness with a newline on an inherited descriptor, as in s6
 * (https://skarnet.org/software/s6/notifywhenup.html). Everything before and after the newline is ignored.
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";

const NEWLINE = 10;
const CHUNK = 512;

export class ReadyPipe {
  isReady = false;
  /** The server inherits it; the caller closes it after starting the server. */
  readonly serverEnd: Fd;
  readonly #read: Fd;
  #watch: Watch | null;
  #isClosed = false;

  constructor(readonly platform: Platform, readonly onChange: () => void) {
    const { read, write } = platform.descriptors.pipe();
    platform.descriptors.setNonblocking(read);
    this.#read = read;
    this.serverEnd = write;
    this.#watch = platform.reactor.watch(read, () => this.#onReadable());
  }

  get explanation(): string {
    return this.#isClosed ? "closed without a newline" : "no newline yet";
  }

  #onReadable(): void {
    const bytes = this.platform.descriptors.read(this.#read, new Uint8Array(CHUNK));
    if (bytes === null) return this.#watch?.arm();
    if (bytes.includes(NEWLINE)) this.isReady = true;
    // Keep reading: a server that writes more must neither block nor get SIGPIPE.
    if (bytes.length > 0) this.#watch?.arm();
    else {
      this.#isClosed = true;
      this.close();
    }
    this.onChange();
  }

  close(): void {
    this.#watch?.cancel();
    this.#watch = null;
    this.#read.close();
  }
}
