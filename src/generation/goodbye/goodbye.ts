/**
 * How one worker is asked to say goodbye to its clients (`--drain-call`, or what baton knows of its program), and to stop
 * saying so. A call that fails changes nothing but what is reported; none lasts longer than its time-out.
 */
import { isShell } from "../../config/servers/shell_script.ts";
import { type DrainCall, drainCallFor } from "../../config/values/drain_call_spec.ts";
import type { CheckOutcome } from "../../health/monitor.ts";
import type { RunningCheck } from "../../health/check_loop.ts";
import { errorText } from "../../platform/error.ts";
import { processName } from "../../platform/process/proc.ts";
import type { DrainCallView } from "../../report/drain_calls.ts";
import type { ServerProcess } from "../../process/server_process.ts";
import { callIn } from "./calls.ts";
import { ControlLookup, type KnownProgram, type LookupParts } from "./control_lookup.ts";
import type { GoodbyeSayer, Saying } from "./farewell.ts";
import { sideOf } from "./listening_side.ts";
import type { MadeCall } from "./make_call.ts";

const KEPT_MAY_LOSE = "it drains without that, and a kept connection may lose a request";

const questions = () => import("./control_questions.ts");

interface GoodbyeParts extends LookupParts {
  readonly context: LookupParts["context"] & {
    /** A front knows of requests that it has led to this generation; null or missing: there is no front. */
    readonly front?: { activeRequests(epoch: number, worker: number): Promise<number> } | null;
  };
  readonly server: Pick<ServerProcess, "isStarted" | "pid" | "exitStatus">;
}

interface GateParts {
  /** Adds a check to the gate. */
  addReady(
    name: string,
    startCheck: (onResult: (result: CheckOutcome) => void) => RunningCheck | null,
  ): void;
  /** Something about the gate has changed. */
  onChange(): void;
}

export class Goodbye implements GoodbyeSayer {
  /** The latest calls, for status. */
  views: readonly DrainCallView[] = [];
  readonly lookup: ControlLookup;
  /** Only calls that need steering are made here: another baton makes the rest. */
  isOnlySteered = false;
  #hasSaid = false;
  /** Files that are there while the worker says goodbye. */
  readonly #files = new Set<string>();

  constructor(readonly parts: GoodbyeParts, readonly gate: GateParts) {
    this.lookup = new ControlLookup(parts, (known) => {
      if (known !== null) this.#onKnown(known);
      this.gate.onChange();
    });
  }

  /** The goodbye of a worker. */
  static of(
    { gate, ...parts }: Omit<GoodbyeParts, "side"> & {
      readonly gate: Parameters<typeof sideOf>[0];
    },
    hooks: GateParts,
  ): Goodbye {
    return new Goodbye({ ...parts, side: sideOf(gate) }, hooks);
  }

  /** Called before the worker is started. */
  onStart(): void {
    const { epoch, number, context: { config, leftovers } } = this.parts;
    for (const { text } of config.drainCall.filter(({ kind }) => kind === "file")) {
      const call = drainCallFor(text, epoch, number);
      if (call.kind === "file") leftovers.drainFiles.clear(call.file);
    }
  }

  /** Called each time that something has changed about the worker's gate. */
  onGate(): void {
    this.lookup.look();
  }

  /** A program that says when it may serve is asked. */
  #onKnown({ goodbye: { ready }, place, program }: KnownProgram): void {
    const { config } = this.parts.context;
    // Where the operator has configured checks, they take the place of this question.
    const isUsual = config.ready.every(({ kind }) => ["auto", "listen", "notify"].includes(kind));
    if (ready !== undefined && place !== null && isUsual) {
      this.gate.addReady(`${program}: ${ready}`, (onResult) => this.#ask(ready, onResult));
    }
  }

  #ask(path: string, onResult: (result: CheckOutcome) => void): RunningCheck {
    const { place } = this.lookup.known!;
    let isCanceled = false;
    let check: RunningCheck | null = null;
    const begin = async () => {
      const { beginReadyCheck } = await questions();
      if (!isCanceled) check = beginReadyCheck(this.#target, { place: place!, path, onResult });
    };
    begin();
    return {
      cancel: () => {
        isCanceled = true;
        check?.cancel();
      },
    };
  }

  get #target() {
    const { context, epoch, number, server } = this.parts;
    const pid = server.isStarted ? server.pid : null;
    return { context, epoch, number, pid, signal: (signal: number) => this.#signal(signal) };
  }

  /** A shell in front of the server would die of what the server understands. */
  #signal(signal: number): boolean {
    const { server, side, context: { platform } } = this.parts;
    if (!server.isStarted || server.exitStatus !== null) return false;
    const owners = side.owners();
    const inFront = isShell(processName(server.pid) ?? "");
    const [first = server.pid] = owners;
    platform.processes.signal(inFront && !owners.includes(server.pid) ? first : server.pid, signal);
    return true;
  }

  say(onEnd: (hasWorked: boolean) => void): Saying | null {
    const { drainCall } = this.parts.context.config;
    const calls = this.#callsOf(drainCall, (known) => callIn(known, "call"));
    return calls === null ? null : this.#begin(calls, false, onEnd);
  }

  takeBack(): void {
    if (!this.#hasSaid) return;
    this.#hasSaid = false;
    const { config: { drainCall, drainUndo }, logError } = this.parts.context;
    // A call `file:PATH` has a way back of its own: the file is removed.
    const files = drainCall.filter(({ kind }) => kind === "file");
    const given = [...drainUndo.filter(({ kind }) => kind !== "none"), ...files];
    const calls = drainCall.length > 0 && given.length === 0
      ? null
      : this.#callsOf(given, (known) => callIn(known, "undo"));
    if (calls !== null) this.#begin(calls, true, () => {});
    const isTakenBack = drainUndo.length > 0 || files.length === drainCall.length;
    if (calls !== null && isTakenBack) return;
    logError(
      `${this.parts.name()} serves again, and may still say goodbye to its clients, as it was asked: ` +
        "--drain-undo would take that back",
    );
  }

  streams(): Promise<number> | null {
    const { context: { front }, epoch, number } = this.parts;
    const asked = [this.#ownStreams(), front?.activeRequests(epoch, number) ?? null];
    const answers = asked.filter((each) => each !== null);
    if (answers.length === 0) return null;
    // The server may be an Envoy behind an Envoy, and both count the same requests.
    return Promise.all(answers).then((counts) => Math.max(...counts));
  }

  #ownStreams(): Promise<number> | null {
    const { place = null, goodbye } = this.lookup.known ?? {};
    const path = goodbye?.streams;
    if (place === null || path === undefined) return null;
    return questions()
      .then(({ openStreams }) => openStreams(this.#target, { place, path }));
  }

  #callsOf(
    given: readonly DrainCall[],
    usual: (known: KnownProgram) => DrainCall | null,
  ): Promise<readonly DrainCall[]> | null {
    const { epoch, number } = this.parts;
    if (given.some(({ kind }) => kind === "none")) return null;
    if (given.length > 0) {
      return Promise.resolve(given.map(({ text }) => drainCallFor(text, epoch, number)));
    }
    const known = this.lookup.look();
    if (known === null) return null;
    return known.then((program) => program === null ? [] : [usual(program)].filter(isCall));
  }

  #begin(
    calls: Promise<readonly DrainCall[]>,
    isUndo: boolean,
    onEnd: (hasWorked: boolean) => void,
  ): Saying {
    let current: MadeCall | null = null;
    let isOver = false;
    const end = (hasWorked: boolean) => {
      if (isOver) return;
      isOver = true;
      onEnd(hasWorked);
    };
    const run = async () => {
      const { makeCall } = await import("./make_call.ts");
      let hasWorked = false;
      const list = (await calls).filter((call) => !this.isOnlySteered || this.#isSteered(call));
      if (isOver) return;
      this.views = list.map(({ text }) => this.#view(text, "pending", null));
      // The calls are made in their order: one may build on the one before.
      for (const call of list) {
        if (!isUndo) this.#hasSaid = true;
        current = makeCall(this.#target, call, isUndo);
        const result = await current.result;
        if (call.kind === "file" && result.hasWorked) this.#note(call.file, isUndo);
        if (isOver) return;
        this.#report(call, isUndo, result);
        hasWorked ||= result.hasWorked;
      }
      end(hasWorked);
    };
    run().catch((error) => {
      this.parts.context.logError(`${this.parts.name()}: drain call: ${errorText(error)}`);
      end(false);
    });
    return {
      cutShort: () => {
        if (isOver) return;
        isOver = true;
        current?.cancel();
        this.views = this.views.map((view) =>
          view.result === "pending" ? { ...view, result: "failed", detail: "cut short" } : view
        );
      },
    };
  }

  /** Whether the connection of a call must be led to this generation. */
  #isSteered(call: DrainCall): boolean {
    if (call.kind !== "http" || "unix" in call.place) return false;
    const { port } = call.place;
    return this.parts.context.listeners.groups.some(({ tcp }) =>
      tcp !== null && (port === null || tcp.port === port)
    );
  }

  #report({ text }: DrainCall, isUndo: boolean, result: { hasWorked: boolean; text: string }) {
    const { context: { log, logError, dispatch }, name, epoch, number: worker } = this.parts;
    const { hasWorked, text: detail } = result;
    this.views = this.views.map((view) =>
      view.call === text ? this.#view(text, hasWorked ? "ok" : "failed", detail) : view
    );
    const what = isUndo ? "to say goodbye no more" : "to say goodbye to its clients";
    if (hasWorked) log(`${name()} has been asked ${what}: ${text}: ${detail}`);
    else {
      const consequence = isUndo ? "its clients leave after each answer" : KEPT_MAY_LOSE;
      logError(`${name()} cannot be asked ${what}: ${text}: ${detail}; ${consequence}`);
    }
    dispatch({
      kind: "drain_called",
      epoch,
      worker,
      call: text,
      failure: hasWorked ? null : detail,
    });
  }

  #note(file: string, isUndo: boolean): void {
    if (isUndo) this.#files.delete(file);
    else this.#files.add(file);
  }

  #view(call: string, result: DrainCallView["result"], detail: string | null): DrainCallView {
    return { call, worker: this.parts.number, result, detail };
  }

  /** The worker has ended. */
  close(): void {
    this.lookup.close();
    for (const file of this.#files) this.parts.context.leftovers.drainFiles.leave(file);
    this.#files.clear();
  }
}

function isCall(call: DrainCall | null): call is DrainCall {
  return call !== null;
}
