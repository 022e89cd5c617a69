/**
 * Who started this process: a command, this very process before an exec (`upgrade --in-place`), or the predecessor, as
 * its child (`upgrade`). The environment tells; it is known before the configuration is applied.
 */
import type { Platform } from "../../platform/platform.ts";
import type { Resumption } from "../../succession/state/resumption.ts";
import { findInPlace, IN_PLACE_ENV } from "../../succession/upgrade/in_place.ts";
import { findPredecessor, type Predecessor } from "../../succession/upgrade/predecessor.ts";
import { HANDOVER_ENV } from "../../succession/upgrade/protocol.ts";
import { VERSION } from "../console/version.ts";

export type Origin =
  | { readonly kind: "command" }
  | { readonly kind: "in-place"; readonly resumption: Resumption }
  | { readonly kind: "upgrade-child"; readonly predecessor: Predecessor };

/** @throws {Error} when the state that was handed over is malformed */
export function findOrigin(platform: Platform): Origin {
  const resumption = findInPlace(platform);
  if (resumption !== null) return { kind: "in-place", resumption };
  const predecessor = findPredecessor(platform, VERSION);
  return predecessor === null ? { kind: "command" } : { kind: "upgrade-child", predecessor };
}

/** Baton's environment without the variables that tell its origin: servers must not see them. */
export function ownEnvironment(platform: Platform): Record<string, string> {
  const env = platform.runtime.env();
  delete env[HANDOVER_ENV];
  delete env[IN_PLACE_ENV];
  return env;
}
