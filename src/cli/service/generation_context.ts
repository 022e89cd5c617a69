/** What all generations of a service share, wired for the way this instance starts. */
import { type Config, isAbandoned, outlivesBaton } from "../../config/config.ts";
import { presetForCommand } from "../../config/presets.ts";
import { addActivatedSockets } from "../../handoff/activated_sockets.ts";
import { Adopter } from "../../handoff/adopt.ts";
import { GetfdSource } from "../../handoff/duplicates/getfd.ts";
import { LearnedListeners } from "../../handoff/duplicates/learned.ts";
import { SocketTrapSource } from "../../handoff/duplicates/socket_trap.ts";
import { Migration } from "../../migration/migration.ts";
import { Children } from "../../process/children.ts";
import { Foreground } from "../../process/foreground.ts";
import type { Listeners } from "../../steering/listeners.ts";
import type { SupervisorOptions } from "../../supervisor/options.ts";
import { makeListeners } from "./parts/listeners.ts";
import type { ServiceSetup } from "./service_setup.ts";
import type { StartMode } from "./start_mode.ts";

/** @param writeState called before the listeners change, so that a successor finds them */
export function generationContext(
  setup: ServiceSetup,
  mode: StartMode,
  writeState: () => void,
): SupervisorOptions["context"] {
  const { platform, config, order: { exclusive }, logger } = setup;
  const listeners = makeListeners(setup, writeState);
  for (const notice of addActivatedSockets(platform, listeners, mode.sockets)) logger.warn(notice);
  // A generation that an earlier baton started may have a filter, though those of this one have none.
  const traps = setup.duplicates === "at-bind"
    ? "nothing"
    : config.udp === "switch"
    ? "datagrams"
    : "streams";
  // A generation with trapped UDP sockets cannot learn to do without the trap: they cannot be replaced at bind(2).
  const learns = config.duplicates === "auto" && traps === "streams";
  const source = setup.duplicates === "getfd" || setup.duplicates === null
    ? new GetfdSource(platform)
    : new SocketTrapSource(platform, listeners, traps, learns ? new LearnedListeners() : null);
  const { udp, unixShared: sharesAbstract, privateSocket: privateNames } = config;
  const followsPaths = config.unix === "switch" && !isAbandoned(config);
  const options = {
    source,
    udp,
    sharesAbstract,
    privateNames,
    followsPaths,
    outlives: outlivesBaton(config),
  };
  const adopter = new Adopter(platform, listeners, options, (group) => {
    if (mode.kind === "takeover") mode.taker.needMember(group);
  });
  const foreground = new Foreground({
    platform,
    leaders: () => children.leaders(),
    isJob: mode.kind !== "upgrade-child",
    log: (message) => logger.warn(message),
  });
  const children = new Children(platform, (pid, signal) => foreground.onLeaderStopped(pid, signal));
  return {
    platform,
    config,
    front: setup.optional.makeFront?.(setup, listeners) ?? null,
    beginCheck: setup.optional.beginCheck,
    preset: presetForCommand(config.command, config.preset),
    exclusive,
    children,
    listeners,
    adopter,
    migration: makeMigration(setup, listeners),
    foreground,
  };
}

/** `--keep-alive`; with `leave`, only clients that wait are delivered by it. @returns null: accept(2) is never trapped */
function makeMigration(setup: ServiceSetup, listeners: Listeners): Migration | null {
  const { platform, config: { keepAlive }, logger } = setup;
  const why = whyNoMigration(setup.config, setup.duplicates !== null);
  if (why !== null) {
    const notice = `--keep-alive ${keepAlive}: connections are left: ${why}`;
    if (keepAlive === "migrate") logger.warn(notice);
    else logger.debug(notice);
    return null;
  }
  const onMoved = (counts: object) =>
    logger.info("connections that clients keep open have been moved", { ...counts });
  const onLost = () =>
    logger.error("a client that had waited is cut off: the server has not accepted it in 10 s");
  return new Migration(platform, listeners, keepAlive, onMoved, onLost, !setup.config.survive);
}

function whyNoMigration(config: Config, traps: boolean): string | null {
  const { keepAlive, survive } = config;
  if (!traps) return 'not possible here, see "baton doctor"';
  if (isAbandoned(config)) {
    return "a server that outlives baton (--orphan keep) could not accept any more";
  }
  return keepAlive !== "migrate" && survive
    ? "with --survive each new connection would be written down: say migrate if you want that"
    : null;
}
