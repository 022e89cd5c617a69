/** For both modes of `baton run`, in a pod: the budget of a shutdown, checked before a server starts; the probes. */
import type { FetchHandler } from "../../admin/http_connections.ts";
import { probeHandler, ProbeServer } from "../../admin/probe_server.ts";
import type { Config } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import type { ListenSpec } from "../../config/values/listen_spec.ts";
import { budgetOf, isInPod, minDrainMs } from "../../pod/budget.ts";
import type { Logger } from "../../log/logger.ts";
import type { InetAddress } from "../../platform/network/address.ts";
import { SystemCallError } from "../../platform/error.ts";
import type { Platform } from "../../platform/platform.ts";
import type { ProbeReport } from "../../report/snapshot.ts";
import { EXIT_BUSY } from "../console/exit_status.ts";

export interface PodSetup {
  readonly inPod: boolean;
  readonly minDrainMs: number;
  readonly probeAddress: InetAddress | null;
}

/**
 * @param longestMs from the end of `--min-drain` until KILL
 * @throws {UserError} when it does not fit into --grace
 */
export function podSetup(
  config: Config,
  env: Readonly<Record<string, string>>,
  longestMs: number,
  logger: Logger,
): PodSetup {
  const inPod = isInPod(env);
  const leastMs = minDrainMs(config.minDrainMs, inPod);
  const budget = budgetOf({
    minDrainMs: leastMs,
    maxDrainMs: longestMs,
    graceMs: config.graceMs,
    inPod,
  });
  if (!budget.fits && config.graceMs !== null) {
    const longest = config.shutdownOnly ? "--max-drain" : stopOptions(config);
    throw new UserError(`Cannot shut down within --grace: ${budget.text}`, {
      remedy: `Lower --min-drain, ${longest}, or raise --grace with the pod's grace period`,
    });
  }
  if (!budget.fits) {
    logger.warn(`the shutdown may take longer than the pod's grace period: ${budget.text}`);
  } else if (budget.graceMs !== null) {
    logger.info(`the shutdown fits into the grace period: ${budget.text}`);
  }
  return { inPod, minDrainMs: leastMs, probeAddress: probeAddress(config) };
}

/** The options that bound a stop of the full mode. */
function stopOptions({ hook }: Config): string {
  return hook.length === 0
    ? "--drain-time or --stop-time"
    : "--drain-time, --stop-time or --hook-timeout";
}

function probeAddress({ probeListen }: Config): InetAddress | null {
  return probeListen === null ? null : inetAddress(probeListen);
}

export function inetAddress({ family, host, port }: ListenSpec): InetAddress {
  return { family, host, port, scope: 0 };
}

/**
 * @param joins a previous instance may have the address, and shares it
 * @throws {UserError} when another program has the address
 */
export function openProbes(
  platform: Platform,
  address: InetAddress | null,
  report: () => ProbeReport,
  joins: boolean,
): ProbeServer | null {
  const handler = probeHandler(report);
  return address === null
    ? null
    : openPort(platform, address, { handler, option: "--probe-listen", joins });
}

interface PortUse {
  readonly handler: FetchHandler;
  /** The option that names the address. */
  readonly option: string;
  /** Shares the address with the process that has it, if that permits it. */
  readonly joins: boolean;
}

/** @throws {UserError} when another program has the address */
export function openPort(
  platform: Platform,
  address: InetAddress,
  { handler, option, joins }: PortUse,
): ProbeServer {
  try {
    return new ProbeServer(platform, address, handler, joins);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new UserError(
      `Cannot answer probes at ${address.host}:${address.port}: ${error.message}`,
      { status: EXIT_BUSY, remedy: `Use another address with ${option}` },
    );
  }
}
