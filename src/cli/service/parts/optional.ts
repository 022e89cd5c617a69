/**
 * Parts that only some services have. Each is loaded only where an option asks for it: what is not needed costs no
 * start and no memory.
 */
import type { Config } from "../../../config/config.ts";
import type { Platform } from "../../../platform/platform.ts";
import { logsToTerminal } from "../log_setup.ts";

export interface OptionalParts {
  /** With checks, or where a file may get some. */
  readonly beginCheck: typeof import("../../../generation/checks/begin_check.ts").beginCheck | null;
  /** With --handoff-socket. */
  readonly TakeoverOffers:
    | typeof import("../../../succession/takeover_offers.ts").TakeoverOffers
    | null;
  /** With --front. */
  readonly makeFront: typeof import("./front.ts").makeFront | null;
  /** With --admin or --probe-listen. */
  readonly OwnPorts: typeof import("../endpoints/own_ports.ts").OwnPorts | null;
  /** With --otlp. */
  readonly otlp: typeof import("./otlp.ts").otlpPush | null;
  /** At a terminal. */
  readonly TerminalProgress: typeof import("./progress.ts").TerminalProgress | null;
}

/** @param rereads a reload reads a file again */
export async function optionalParts(
  platform: Platform,
  config: Config,
  rereads: boolean,
): Promise<OptionalParts> {
  const { ready, live } = config;
  return {
    beginCheck: rereads || ready.length > 0 || live.length > 0
      ? (await import("../../../generation/checks/begin_check.ts")).beginCheck
      : null,
    TakeoverOffers: config.handoffSocket === null
      ? null
      : (await import("../../../succession/takeover_offers.ts")).TakeoverOffers,
    makeFront: config.front.length > 0 ? (await import("./front.ts")).makeFront : null,
    OwnPorts: await ownPorts(config),
    otlp: config.otlp === null ? null : (await import("./otlp.ts")).otlpPush,
    TerminalProgress: logsToTerminal(platform, config)
      ? (await import("./progress.ts")).TerminalProgress
      : null,
  };
}

export async function ownPorts({ admin, probeListen }: Config): Promise<OptionalParts["OwnPorts"]> {
  if (admin === null && probeListen === null) return null;
  return (await import("../endpoints/own_ports.ts")).OwnPorts;
}
