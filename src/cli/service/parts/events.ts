/** The events of this instance: their order, who gets them, and the one that says how this instance came about. */
import { dirname } from "node:path";
import { checkDirectory } from "../../../admin/paths.ts";
import { type Draft, draft, type EventRecord } from "../../../events/event.ts";
import { EventLog } from "../../../events/event_log.ts";
import { EventStreams } from "../../../events/event_streams.ts";
import type { Delivery } from "../../../events/receivers/delivery.ts";
import { Journal } from "../../../events/receivers/journal.ts";
import { readSecret } from "../../../events/receivers/secret_file.ts";
import { RingFile } from "../../../events/ring_file.ts";
import { errorText } from "../../../platform/error.ts";
import { VERSION } from "../../console/version.ts";
import type { StartMode } from "../start_mode.ts";
import type { ReceiverParts } from "./event_receivers.ts";

/** Longest wait at the end for receivers of the last events. */
const LAST_WORDS_MS = 3_000;

interface ServiceEventsParts extends Omit<ReceiverParts, "log"> {
  readonly mode: StartMode;
}

export class ServiceEvents {
  readonly log: EventLog;
  readonly streams: EventStreams;
  readonly #journal: Journal | null;
  /** Null: there are none, or they are being loaded. */
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

  /** This instance has the name, and so the file. */
  begin(): void {
    const before = this.log.begin(this.#how());
    this.#pass(before);
  }

  /** It has it again: the successor has failed. */
  beginAgain(): void {
    this.#pass(this.log.begin());
  }

  /** @param before the id of the last event of the instance before */
  #pass(before: number): void {
    const { config: { onEvent, webhook, logLevel }, logger } = this.parts.setup;
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
    const deliveries = makeDeliveries({ ...parts, log });
    for (const delivery of deliveries) {
      const done = log.markOf(delivery.name) ?? before;
      for (const record of log.since(done)) delivery.offer(record);
    }
    this.#deliveries = deliveries;
  }

  #end(why: "handed over" | "ended"): void {
    this.#journal?.close();
    // At the end of the service they were given their time.
    for (const delivery of this.#deliveries ?? []) delivery.stop();
    if (why === "handed over") this.#deliveries = null;
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

  /** The service has ended, or another instance has it. */
  close(): void {
    this.log.close();
  }
}
