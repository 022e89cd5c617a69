/**
 * `fd:N`: the server says that it is ready by a newline on a descriptor that it was given, as s6 has it
 * (https://skarnet.org/software/s6/notifywhenup.html). What comes before the newline is ignored, and so
 * is everything behind it.
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";

const NEWLINE = 10;
const CHUNK = 512;

export class ReadyPipe {
  /** The newline has come. */
  isReady = false;
  readonly #read: Fd;
  #watch: Watch | null;
  #isClosed = false;

  /** Of the two ends, `serverEnd` is for whoever starts the server: to be closed by it. */
  static open(
    platform: Platform,
    onChange: () => void,
  ): { pipe: ReadyPipe; serverEnd: Fd } {
    const { read, write } = platform.descriptors.pipe();
    platform.descriptors.setNonblocking(read);
    return { pipe: new ReadyPipe(platform, read, onChange), serverEnd: write };
  }

  private constructor(readonly platform: Platform, read: Fd, readonly onChange: () => void) {
    this.#read = read;
    this.#watch = platform.reactor.watch(read, () => this.#onReadable());
  }

  get explanation(): string {
    return this.#isClosed ? "closed without a newline" : "no newline yet";
  }

  #onReadable(): void {
    const bytes = this.platform.descriptors.read(this.#read, new Uint8Array(CHUNK));
    if (bytes === null) return this.#watch?.arm();
    if (bytes.includes(NEWLINE)) this.isReady = true;
    // Read on after that: a server that writes more must neither block nor get SIGPIPE.
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
