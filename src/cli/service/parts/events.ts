/** The events of this instance: their order, who reads them, and the one that says how this instance came about. */
import { type Draft, draft } from "../../../events/event.ts";
import { EventLog } from "../../../events/event_log.ts";
import { EventStreams } from "../../../events/event_streams.ts";
import { RingFile } from "../../../events/ring_file.ts";
import { errorText } from "../../../platform/error.ts";
import { VERSION } from "../../console/version.ts";
import type { ServiceSetup } from "../service_setup.ts";
import type { StartMode } from "../start_mode.ts";

export class ServiceEvents {
  readonly log: EventLog;
  readonly streams: EventStreams;

  constructor(readonly setup: ServiceSetup, readonly mode: StartMode) {
    const { platform: { clock }, config: { name }, paths, logger } = setup;
    this.log = new EventLog({
      clock,
      name,
      file: new RingFile(paths.events),
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
    this.log.begin(this.#how());
  }

  /** It has it again: the successor has failed. */
  beginAgain(): void {
    this.log.begin();
  }

  #how(): Draft {
    const { setup: { config: { command }, platform: { runtime: { pid } } }, mode: { kind } } = this;
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

  /** The service has ended, or another instance has it. */
  close(): void {
    this.log.close();
  }
}
