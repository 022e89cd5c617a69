/**
 * What is known of the program that a worker really runs, and where its control address is: by the command line of the
 * process that listens, which has every variable filled in, and no wrapper before it; and by the files that it names, as
 * they are when it begins to listen.
 */
import type { ControlLook, FindControl, FoundControl } from "../../config/servers/control.ts";
import type { ControlFinder, Goodbye } from "../../config/servers/preset_table.ts";
import { presetForCommand } from "../../config/presets.ts";
import type { CallPlace } from "../../config/values/drain_call_spec.ts";
import { fillPlaceholders } from "../../config/values/placeholders.ts";
import { errorText } from "../../platform/error.ts";
import { readerOf } from "../../platform/files/process_view.ts";
import { commandLineOf } from "../../platform/process/proc.ts";
import type { RunningContext } from "../context.ts";
import type { CallListeners } from "./call_route.ts";
import type { ListeningSide } from "./listening_side.ts";

/** How its program is asked, and where; null: the call is whole. */
export interface KnownProgram {
  readonly goodbye: Goodbye;
  readonly program: string;
  readonly place: CallPlace | null;
}

/** Between two looks for a file that the server writes: it may come a moment after its listener. */
const LATER_MS = 50;
const MOST_LOOKS = 100;

/** What finds the control address of each kind of server. Loaded where such a server runs. */
const FINDERS: Readonly<Record<ControlFinder, () => Promise<FindControl>>> = {
  envoy: async () => (await import("../../envoy/admin_address.ts")).findEnvoyAdmin,
};

export interface LookupParts {
  readonly context:
    & Pick<
      RunningContext,
      | "config"
      | "preset"
      | "platform"
      | "children"
      | "leftovers"
      | "notices"
      | "log"
      | "logError"
      | "dispatch"
    >
    & { readonly listeners: CallListeners };
  readonly epoch: number;
  /** Number of the worker in its generation. */
  readonly number: number;
  /** For people. */
  readonly name: () => string;
  readonly side: ListeningSide;
}

interface Candidate {
  readonly goodbye: Goodbye;
  readonly program: string;
  readonly pid: number;
  readonly words: readonly string[];
}

export class ControlLookup {
  /** What is known of the program; null: nothing, or nothing yet. */
  known: KnownProgram | null = null;
  /** What is missing for that, in words; null: nothing. */
  awaited: string | null = null;
  #lookup: Promise<KnownProgram | null> | null = null;
  #isClosed = false;
  /** Processes of which nothing is known. Each is looked at once, also in a prefork server with many. */
  readonly #others = new Set<number>();

  /** @param onOver null: nothing can be called */
  constructor(
    readonly parts: LookupParts,
    readonly onOver: (known: KnownProgram | null) => void,
  ) {}

  /** Called again and again. @returns null: the server has no such thing, or it does not listen yet */
  look(): Promise<KnownProgram | null> | null {
    if (this.#lookup !== null) return this.#lookup;
    const candidate = this.#candidate();
    if (candidate === null) return null;
    this.awaited = `the control address of ${candidate.program} is not known yet`;
    this.#lookup = this.#find(candidate).catch((error) => {
      this.#notice(`the control address of ${candidate.program}: ${errorText(error)}`);
      return null;
    }).finally(() => this.awaited = null);
    this.#lookup.then((known) => {
      this.known = known;
      if (!this.#isClosed) this.onOver(known);
    });
    return this.#lookup;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** A process that listens, if its program is known to have a way to say goodbye. */
  #candidate(): Candidate | null {
    const { context: { preset, config }, epoch, number, side } = this.parts;
    const owners = side.owners();
    for (const pid of owners.filter((owner) => !this.#others.has(owner))) {
      this.#others.add(pid);
      const argv = commandLineOf(pid);
      const { goodbye, program, line } = presetForCommand(argv);
      if (goodbye !== null) return { goodbye, program, pid, words: line.argv.slice(1) };
    }
    const [owner] = owners;
    if (preset.goodbye === null || owner === undefined) return null;
    const { goodbye, program, line } = preset;
    const words = fillPlaceholders(line.argv.slice(1), config.listen, epoch, number);
    return { goodbye, program, pid: owner, words };
  }

  async #find({ goodbye, program, pid, words }: Candidate): Promise<KnownProgram | null> {
    if (goodbye.finder === undefined) return { goodbye, program, place: null };
    const find = await FINDERS[goodbye.finder]();
    const look: ControlLook = {
      read: readerOf(pid),
      listensAt: (place) => this.parts.side.listensAt(place),
    };
    let found: FoundControl = { notice: "" };
    for (let looks = 0; looks < MOST_LOOKS && !this.#isClosed; looks++) {
      found = await find(words, look);
      if (!("later" in found)) break;
      this.awaited = found.later;
      await this.#pause();
    }
    if ("place" in found) return { goodbye, program, place: found.place };
    if (!this.#isClosed) this.#notice("later" in found ? neverText(found.later) : found.notice);
    return null;
  }

  #pause(): Promise<void> {
    const { platform: { clock } } = this.parts.context;
    return new Promise((resolve) => clock.after(LATER_MS, resolve));
  }

  /** Logs `text` once for the service, unless the user has said what to call. */
  #notice(text: string): void {
    const { context: { config, notices, logError }, name } = this.parts;
    if (config.drainCall.length > 0 || notices.has(text)) return;
    notices.add(text);
    logError(`${name()}: ${text}`);
  }
}

function neverText(later: string): string {
  return `${later}, ${
    LATER_MS * MOST_LOOKS / 1_000
  } s after it has begun to listen: its clients hear no goodbye when ` +
    "it drains. Name its control address: --drain-call";
}
