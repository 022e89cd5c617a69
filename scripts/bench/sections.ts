import { DRAIN } from "./drain.ts";
import { IDLE } from "./idle.ts";
import { IDLE_CONNECTIONS } from "./idle_connections.ts";
import { KEEP_ALIVE } from "./keep_alive.ts";
import { KEPT } from "./kept.ts";
import { OUTGOING } from "./outgoing.ts";
import { PROCESS_ONE } from "./process_one.ts";
import { RELOAD } from "./reload.ts";
import type { Section } from "./section.ts";
import { START } from "./start.ts";
import { THROUGHPUT } from "./throughput.ts";
import { WORKERS } from "./workers/section.ts";

/** In the order in which they are measured: what a person waits for least comes first. */
export const SECTIONS: readonly Section[] = [
  START,
  RELOAD,
  PROCESS_ONE,
  DRAIN,
  IDLE_CONNECTIONS,
  KEEP_ALIVE,
  KEPT,
  IDLE,
  THROUGHPUT,
  OUTGOING,
  WORKERS,
];
