/** One life of the service in a rehearsal: start, a look at what it holds, a reload under clients, the end. */
import { renameSync } from "node:fs";
import * as v from "valibot";
import { RELOAD_REPLY, type StatusReply, STOP_REPLY } from "../admin/replies.ts";
import { sleep } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import { processTree } from "../platform/process/proc.ts";
import type { ChildProcesses } from "./child_processes.ts";
import { addressIn, Clients, learnManner, type Manner, textOf } from "./clients.ts";
import { type Holding, holdingsOf, pidFileFates } from "./holdings.ts";
import { datagramsOf } from "./next_trial.ts";
import type { Attempt, RehearsalPlan } from "./plan.ts";
import { RehearsedService } from "./rehearsed_service.ts";
import { shellInFront } from "./shell_in_front.ts";
import type { View } from "./view.ts";
import { rewrittenByBoth, type Writings, writingsIn } from "./written_files.ts";

const LOOK_MS = 50;
/** Time in which a server comes to rest, and its clients have made some exchanges. */
const REST_MS = 300;
/**
 * Longest failure of a second copy that is tried again: one that took longer has waited, and each further trial would
 * take as long.
 */
const MOST_TRIED_MS = 10_000;
const GIVING_UP_MS = 10_000;
/** Time within which a server that binds UDP listens with TCP, too, if it does. */
const LATE_MS = 5_000;
const MOST_ADDRESSES = 8;
/** Most looks for addresses that the service opens while its manners at others are learned. */
const MOST_LEARNED = 3;
const MOST_TEXTS = 20;
const LONGEST_TEXT = 300;

export interface LifeOptions {
  readonly platform: Platform;
  readonly plan: RehearsalPlan;
  readonly view: View;
  readonly children: ChildProcesses;
  readonly say: (text: string) => void;
  readonly number: number;
  readonly options: readonly string[];
  readonly command: readonly string[];
}

type Reload = NonNullable<Attempt["reload"]>;

export class ServiceLife {
  readonly #service: RehearsedService;
  readonly #startedAt: number;

  constructor(readonly life: LifeOptions) {
    const { platform, plan, children, number } = life;
    this.#startedAt = platform.clock.now();
    this.#service = new RehearsedService(platform, plan, children, life, number);
  }

  async run(): Promise<Attempt> {
    const { say, options, command } = this.life;
    const nothing = {
      reload: null,
      keeps: null,
      holds: [],
      blocker: null,
      pidFiles: [],
      rewritten: [],
      stop: null,
    };
    say("starting the server");
    const status = await this.#serving();
    const start = this.#describeStart(status);
    const base = { options: [...options], command: [...command], start, ...nothing };
    if (status === null) {
      const output = texts(this.#service.lastOutput());
      return { ...base, stop: this.#service.exit === null ? await this.#stop() : null, output };
    }
    const { manners, late } = await this.#learn(status);
    const keeps = manners.find((manner) => manner.keeps);
    const first = this.#tree(status);
    const before = this.#writings();
    const held = holdingsOf(first, before);
    say("starting a second copy, and reloading under clients");
    let { reload, output } = await this.#reload(manners);
    const blocker = reload.ok ? null : await this.#findBlocker(held, reload, output);
    await this.#service.settled();
    const [second, after] = [this.#tree(this.#service.status()), this.#writings()];
    say("stopping");
    const stop = await this.#stop();
    const isSequential = start.order === "stop-first" || options.includes("--order=stop-first");
    const rewritten = !reload.ok || isSequential
      ? []
      : rewrittenByBoth([before, after, this.#writings()], held.map(({ path }) => path));
    if (output.length === 0 && !reload.ok) output = this.#service.lastOutput();
    return {
      ...base,
      start: { ...start, late: texts(late) },
      reload,
      keeps: keeps === undefined ? null : textOf(keeps.address),
      holds: texts(held.map(({ kind, path }) => `${kind} ${path}`)),
      blocker,
      pidFiles: pidFileFates(held, after, second),
      rewritten: texts(rewritten),
      stop,
      output: texts(output),
    };
  }

  async #serving(): Promise<StatusReply | null> {
    const { clock } = this.life.platform;
    // `baton run` gives up first, and says why.
    const deadline = clock.now() + this.life.plan.startMs + GIVING_UP_MS;
    while (clock.now() < deadline && this.#service.exit === null) {
      const status = this.#service.status();
      if (status !== null && status.epoch !== null) return status;
      if (this.#hasDatagramsAlone(status)) return null;
      await sleep(clock, LOOK_MS);
    }
    return null;
  }

  /** Whether the service is reached by datagrams alone: a listener would be waited for in vain. */
  #hasDatagramsAlone(status: StatusReply | null): boolean {
    const isLate = this.life.platform.clock.now() > this.#startedAt + LATE_MS;
    if (!isLate || status === null || status.listeners.length > 0) return false;
    return datagramsOf({ ...this.life, output: this.#service.lastOutput() }) !== null;
  }

  #describeStart(status: StatusReply | null): Attempt["start"] {
    return {
      ok: status !== null,
      durationMs: Math.round(this.life.platform.clock.now() - this.#startedAt),
      status: this.#service.exit,
      listeners: texts(status?.listeners.map(({ address }) => address) ?? []),
      late: [],
      order: status?.order ?? null,
      orderReason: status?.orderReason ?? null,
      shell: status === null ? null : shellInFront(this.#tree(status)),
    };
  }

  /** The processes of the serving generation, its leader first. */
  #tree(status: StatusReply | null): number[] {
    const leader = status?.generations.find(({ epoch }) => epoch === status.epoch)?.pid;
    return leader ? processTree(leader) : [];
  }

  /**
   * Learns how the service speaks at its addresses. That takes as long as a server needs to come to rest, and to open
   * further addresses.
   */
  async #learn(status: StatusReply): Promise<{ manners: Manner[]; late: string[] }> {
    const manners: Manner[] = [];
    const known = new Set<string>();
    const late: string[] = [];
    let latest: StatusReply | null = status;
    for (let round = 0; round < MOST_LEARNED; round++) {
      const isNew = ({ address }: { readonly address: string }) => !known.has(address);
      const texts = (latest?.listeners ?? []).filter(isNew).map(({ address }) => address);
      if (texts.length === 0) break;
      texts.forEach((text) => known.add(text));
      if (round > 0) late.push(...texts);
      const addresses = texts.flatMap((text) => addressIn(text) ?? []);
      manners.push(
        ...await Promise.all(
          addresses.slice(0, MOST_ADDRESSES - manners.length).map((at) =>
            learnManner(this.life.platform, at)
          ),
        ),
      );
      latest = this.#service.status();
    }
    return { manners, late };
  }

  async #reload(
    manners: readonly Manner[],
  ): Promise<{ reload: Reload; output: readonly string[] }> {
    const { platform } = this.life;
    const clients = new Clients(platform, manners, this.life.plan.startMs);
    await this.#rest();
    const { report, text } = await this.#callReload();
    await this.#service.settled();
    await this.#rest();
    const counts = await clients.stop();
    const reload = {
      ok: report?.result === "ok",
      durationMs: Math.round(report?.durationMs ?? 0),
      reason: report === null ? text : report.reason,
      ...counts,
      phases: (report?.phases ?? []).filter(({ durationMs }) => durationMs !== null)
        .map(({ phase, epoch, durationMs }) => `generation ${epoch} ${phase} ${durationMs} ms`),
      sharedFiles: texts(report?.sharedFiles.map(({ path }) => path) ?? []),
      doubt: report?.doubt ?? null,
      waitedMs: report?.held?.longestWaitMs ?? null,
    };
    return { reload, output: report?.output ?? [] };
  }

  async #callReload() {
    const { startMs, stopMs } = this.life.plan;
    const { json, text } = await this.#service.command(["reload", "--json"], startMs + stopMs);
    const report = v.safeParse(RELOAD_REPLY, json);
    return { report: report.success ? report.output : null, text: text.trim() };
  }

  /**
   * Finds what keeps the second copy from starting, by taking one thing after the other out of its way: nothing of it
   * is real.
   */
  async #findBlocker(
    held: readonly Holding[],
    { reason, durationMs }: Reload,
    output: readonly string[],
  ): Promise<Attempt["blocker"]> {
    const isNamed = ({ path }: Holding) =>
      [reason ?? "", ...output].some((line) => line.includes(path));
    const [named, others] = [held.filter(isNamed), held.filter((each) => !isNamed(each))];
    const ofData = [...named, ...others].find(({ isData }) => isData);
    if (ofData !== undefined) return ofData;
    if (durationMs > MOST_TRIED_MS) return null;
    for (const holding of [...named, ...others]) {
      this.life.say(`trying a second copy without ${holding.kind} ${holding.path}`);
      if (await this.#startsWithout(holding.path)) return holding;
    }
    return null;
  }

  async #startsWithout(path: string): Promise<boolean> {
    const aside = `${path}.baton-rehearsal`;
    if (!moved(path, aside)) return false;
    const { report } = await this.#callReload();
    if (report?.result === "ok") return true;
    moved(aside, path);
    return false;
  }

  async #stop(): Promise<Attempt["stop"]> {
    const { clock } = this.life.platform;
    const startedAt = clock.now();
    const reply = v.safeParse(STOP_REPLY, await this.#service.stop());
    return {
      durationMs: Math.round(clock.now() - startedAt),
      status: this.#service.exit,
      killed: reply.success
        ? texts(reply.output.killed.map(({ pid, name }) => `${name} (pid ${pid})`))
        : [],
    };
  }

  #writings(): Writings {
    const { scratch, layers } = this.life.view;
    return writingsIn(`/proc/self/fd/${scratch.number}`, layers);
  }

  #rest(): Promise<void> {
    return sleep(this.life.platform.clock, REST_MS);
  }
}

function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/** Lines for a message, which is bounded: it has to fit. */
function texts(lines: readonly string[]): string[] {
  return lines.filter((line) => line !== "").slice(-MOST_TEXTS).map((line) =>
    line.slice(0, LONGEST_TEXT)
  );
}
