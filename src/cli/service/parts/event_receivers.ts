/**
 * The receivers of this instance's events, besides the clients of its control socket. Loaded only where there are any.
 */
import type { EventLog } from "../../../events/event_log.ts";
import { EVENTS, isWanted } from "../../../events/event_table.ts";
import { Delivery, type Receiver } from "../../../events/receivers/delivery.ts";
import { EventCommand } from "../../../events/receivers/event_command.ts";
import { readSecret } from "../../../events/receivers/secret_file.ts";
import { Webhook } from "../../../events/receivers/webhook.ts";
import { trustedCertificates } from "../../../platform/network/certificates.ts";
import type { Children } from "../../../process/children.ts";
import type { PlanContext } from "../../../process/launch_plan.ts";
import { VERSION } from "../../console/version.ts";
import type { ServiceSetup } from "../service_setup.ts";

export interface ReceiverParts {
  readonly setup: ServiceSetup;
  readonly log: EventLog;
  readonly plan: PlanContext;
  readonly children: Pick<Children, "addHelper">;
}

export function makeDeliveries(parts: ReceiverParts): Delivery[] {
  const { setup: { platform: { clock }, config: { events }, logger }, log } = parts;
  const unknown = events.filter((pattern) =>
    !Object.keys(EVENTS).some((event) => isWanted({ event, level: "" }, [pattern]))
  );
  if (unknown.length > 0) logger.warn(`--events: no event is called ${unknown.join(", ")}`);
  return receiversOf(parts).map((receiver) =>
    new Delivery({
      clock,
      receiver,
      events,
      warn: (message) => logger.warn(message),
      onDone: (id) => log.mark(receiver.name, id),
    })
  );
}

function receiversOf({ setup, plan, children }: ReceiverParts): Receiver[] {
  const { platform, env, config: { onEvent, webhook, webhookSecretFile } } = setup;
  const { clock } = platform;
  const secret = () => webhookSecretFile === null ? null : readSecret(webhookSecretFile);
  return [
    ...onEvent === null ? [] : [new EventCommand({ platform, plan, children, command: onEvent })],
    ...webhook === null ? [] : [
      new Webhook({
        url: webhook,
        secret,
        certificates: () => trustedCertificates(env),
        clock,
        version: VERSION,
      }),
    ],
  ];
}
