/**
 * The endpoint file on disk. It changes by rename only: Envoy notices nothing else, and reads whole files. Under a lock
 * (flock(2) of a file beside it), because several batons may have endpoints in it.
 *
 * No fsync(2): it would cost a reload more than all else here, and after a power failure no endpoint in it lives.
 */
import {
  closeSync,
  fchmodSync,
  fchownSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { errorText } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { AssignedEndpoint } from "./assignment.ts";
import {
  type Document,
  documentText,
  ledAddresses,
  type Owner,
  readDocument,
  withEndpoints,
} from "./document.ts";
import { beside, type Place, placeOf, renewLink } from "./symbolic_links.ts";

/** Mode of a new file: Envoy may run as another user. */
const MODE = 0o644;

interface EndpointFileOptions {
  readonly path: string;
  readonly cluster: string;
  readonly owner: Owner;
  readonly warn: (text: string) => void;
}

type Written =
  | { readonly kind: "written" }
  /** Another baton writes it at this moment. */
  | { readonly kind: "locked" }
  | { readonly kind: "failed"; readonly reason: string };

export class EndpointFile {
  /** Not from this baton, and said. */
  #isWarned = false;

  constructor(
    readonly platform: Pick<Platform, "descriptors" | "processes" | "runtime">,
    readonly options: EndpointFileOptions,
  ) {}

  get exists(): boolean {
    return this.#stat() !== null;
  }

  /** Addresses that get something, those of others too; null: that cannot be read. */
  led(): ReadonlySet<string> | null {
    try {
      return ledAddresses(readDocument(this.#read() ?? ""));
    } catch {
      return null;
    }
  }

  /** @param waits false: it is written although another baton, which may be stopped, has the lock */
  write(endpoints: readonly AssignedEndpoint[], waits = true): Written {
    const { path } = this.options;
    let lock: Fd | null = null;
    try {
      const place = placeOf(path);
      // Opening a FIFO without O_NONBLOCK would hold all of baton.
      const flags = C.O_RDONLY | C.O_CREAT | C.O_NONBLOCK;
      lock = this.platform.descriptors.open(beside(place.path, "lock"), flags, MODE);
      if (!this.platform.processes.tryLock(lock) && waits) return { kind: "locked" };
      this.#replace(endpoints, place);
      return { kind: "written" };
    } catch (error) {
      return { kind: "failed", reason: `cannot write ${path}: ${whyNot(error)}` };
    } finally {
      lock?.close();
    }
  }

  /** Replaces the file, unless it says that already. */
  #replace(endpoints: readonly AssignedEndpoint[], place: Place): void {
    const { cluster, owner } = this.options;
    const before = this.#read();
    const text = documentText(
      withEndpoints(this.#parse(before ?? ""), { cluster, owner, endpoints }),
    );
    if (text === before) return;
    this.#rename(text, place.path);
    for (const link of place.links) renewLink(link, beside(link, this.platform.runtime.pid));
  }

  /** @returns the text of the file; null: there is none */
  #read(): string | null {
    const stat = this.#stat();
    if (stat === null) return null;
    if (!stat.isFile()) throw new Error("it is no regular file: remove it, or name another one");
    return readFileSync(this.options.path, "utf8");
  }

  #stat() {
    return statSync(this.options.path, { throwIfNoEntry: false }) ?? null;
  }

  /**
   * Reads a document. A text that is no JSON is replaced: the empty file of `baton init envoy`, or one by hand, whose
   * endpoints are lost then.
   */
  #parse(text: string): Document {
    try {
      return readDocument(text);
    } catch (error) {
      if (!this.#isWarned && text.includes("lb_endpoints")) {
        this.#isWarned = true;
        const { path, warn } = this.options;
        warn(`${path} was no file of endpoints in JSON (${errorText(error)}), and is replaced`);
      }
      return readDocument("");
    }
  }

  #rename(text: string, path: string): void {
    const aside = beside(path, this.platform.runtime.pid);
    const file = openSync(aside, "w", MODE);
    try {
      try {
        this.#dress(file);
        writeFileSync(file, text);
      } finally {
        closeSync(file);
      }
      renameSync(aside, path);
    } catch (error) {
      rmSync(aside, { force: true });
      throw error;
    }
  }

  /** Gives a new file mode and owner of the one that it replaces, as far as baton may. */
  #dress(file: number): void {
    const present = this.#stat();
    fchmodSync(file, (present?.mode ?? MODE) & 0o777);
    if (present === null) return;
    try {
      fchownSync(file, present.uid, present.gid);
    } catch {
      // The directory is ours: then this one is ours, too.
    }
  }
}

function whyNot(error: unknown): string {
  const text = errorText(error);
  if (!/^(EBUSY|EXDEV)/.test(text)) return text;
  return `${text}: a file that is mounted by itself cannot be replaced: mount its directory`;
}
