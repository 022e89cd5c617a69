/** The real table of listeners, with groups that exist in a test only. */
import type { Sockets } from "../../src/platform/network/sockets.ts";
import type { Group } from "../../src/steering/group.ts";
import { Listeners } from "../../src/steering/listeners.ts";

export class FakeListeners extends Listeners {
  constructor(readonly pretended: readonly Group[]) {
    super({} as Sockets);
  }

  override get groups(): readonly Group[] {
    return this.pretended;
  }
}
