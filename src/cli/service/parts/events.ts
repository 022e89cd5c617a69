/** The events of this instance: their order, who gets them, and the one that says how this instance came about. */
import { dirname } from "node:path";
import { checkDirectory } from "../../../admin/paths.ts";
import { type Draft, draft, type EventRecord } from "../../../events/event.ts";
import { EventLog } from "../../../events/event_log.ts";
import { EventStreams } from "../../../events/event_streams.ts";
import type { Config } from "../../../config/config.ts";
import type { Delivery, Receiver } from "../../../events/receivers/delivery.ts";
import { Journal } from "../../../events/receivers/journal.ts";
import { readSecret } from "../../../events/receivers/secret_file.ts";
import { RingFile } from "../../../events/ring_file.ts";
import { errorText } from "../../../platform/error.ts";
import { VERSION } from "../../console/version.ts";
import type { StartMode } from "../start_mode.ts";
import type { ReceiverParts } from "./event_receivers.ts";

/** Longest wait at the end for receivers of the last events. */
const LAST_WORDS_MS = 3_000;
/** Longest wait for what is being delivered before this process becomes another program. */
const LAST_TRY_MS = 1_000;

interface ServiceEventsParts extends Omit<ReceiverParts, "log"> {
  readonly mode: StartMode;
}

export class ServiceEvents {
  readonly log: EventLog;
  readonly streams: EventStreams;
  readonly #journal: Journal | null;
  /** Deliveries to receivers; null: there are none, or they are being loaded. */
  #deliveries: readonly Delivery[] | null = null;
  #loaded: Promise<void> | null = null;

  /** @throws {UserError} when the secret of --webhook cannot be read */
  constructor(readonly parts: ServiceEventsParts) {
    const { platform, config: { name, webhookSecretFile }, paths, env, logger } = parts.setup;
    const { clock } = platform;
    const uid = platform.processes.userId();
    if (webhookSecretFile !== null && parts.mode.kind === "fresh") readSecret(webhookSecretFile);
    this.#journal = Journal.find(platform, env["JOURNAL_STREAM"]);
    this.log = new EventLog({
      clock,
      name,
      file: new RingFile(paths.events, () => checkDirectory(dirname(paths.events), uid)),
      onError: (error) => logger.error(`cannot pass on an event: ${errorText(error)}`),
    });
    this.streams = new EventStreams({
      log: this.log,
      clock,
      onDropped: (total) =>
        logger.warn(`a client that reads events too slowly was dropped (${total} so far)`),
    });
  }

  /** This instance has the name of the service from now on, and so writes its file of events. */
  begin(): void {
    const before = this.log.begin(this.#how());
    this.#pass(before);
  }

  /** This instance has the name again: its successor has failed. */
  beginAgain(): void {
    // After a takeover under another name it was always this one's.
    if (this.log.isOwner) return;
    this.#pass(this.log.begin());
  }

  /** @param before the id of the last event of the instance before */
  #pass(before: number): void {
    const { config: { onEvent, webhook, logLevel }, logger } = this.parts.setup;
    // What they have not got, the next baton brings them, even if this one brings them nothing.
    for (const receiver of receiverNames(this.parts.setup.config)) {
      if (this.log.markOf(receiver) === null) this.log.mark(receiver, before);
    }
    const pass = (record: EventRecord) => {
      if (record.level !== "debug" || logLevel === "debug") this.#journal?.write(record);
      for (const delivery of this.#deliveries ?? []) delivery.offer(record);
    };
    this.log.since(before).forEach((record) => pass(record));
    this.log.subscribe({ onEvent: pass, onEnd: (why) => this.#end(why) });
    if (onEvent === null && webhook === null) return;
    this.#loaded = this.#load(before).catch((error) =>
      logger.error(`--on-event and --webhook get no events: ${errorText(error)}`)
    );
  }

  async #load(before: number): Promise<void> {
    const { log, parts } = this;
    const { makeDeliveries } = await import("./event_receivers.ts");
    // Another baton may have the service by now.
    if (!log.isOwner) return;
    const deliveries = makeDeliveries({ ...parts, log });
    for (const delivery of deliveries) {
      const done = log.markOf(delivery.name) ?? before;
      for (const record of log.since(done)) delivery.offer(record);
    }
    this.#deliveries = deliveries;
  }

  #end(why: "handed over" | "ended"): void {
    this.#journal?.close();
    // The end of the service has given deliveries their time already.
    for (const delivery of this.#deliveries ?? []) delivery.stop();
    if (why === "handed over") this.#deliveries = null;
  }

  /** The next program would not know of a command that runs: none does when this is resolved, and what waits is its. */
  async rest(): Promise<void> {
    await this.#loaded;
    const rests = (this.#deliveries ?? []).map((delivery) =>
      new Promise<void>((resolve) => delivery.rest(LAST_TRY_MS, resolve))
    );
    await Promise.all(rests);
  }

  /** The upgrade in place did not come about: this program continues. */
  resume(): void {
    for (const delivery of this.#deliveries ?? []) delivery.resume();
  }

  #how(): Draft {
    const { setup: { config: { command }, platform: { runtime: { pid } } }, mode: { kind } } =
      this.parts;
    const facts = { version: VERSION, pid };
    const baton = `baton ${VERSION} (process ${pid})`;
    switch (kind) {
      case "fresh":
        return draft("service.started", `${baton} starts the service`, { command, ...facts });
      case "recovered":
        return draft("service.recovered", `${baton} continues after a crash of baton`, facts);
      default:
        return draft("upgrade.succeeded", `${baton} has the service`, {
          ...facts,
          inPlace: kind === "in-place" || undefined,
        });
    }
  }

  /** Calls `then` when the receivers have the last events, or their time for that is over. */
  finish(then: () => void): void {
    if (this.#loaded === null) return then();
    void this.#loaded.then(() => this.#finish(then));
  }

  #finish(then: () => void): void {
    let waiting = 1;
    const onDone = () => {
      if (--waiting === 0) then();
    };
    for (const delivery of this.#deliveries ?? []) {
      waiting++;
      delivery.finish(LAST_WORDS_MS, onDone);
    }
    onDone();
  }

  /** This instance ends. @param isLast no other instance has its name */
  close(isLast: boolean): void {
    this.log.close(isLast);
  }
}

function receiverNames({ onEvent, webhook }: Config): Receiver["name"][] {
  return [
    ...onEvent === null ? [] : ["on-event"] as const,
    ...webhook === null ? [] : ["webhook"] as const,
  ];
}
