import { DRAIN } from "./sections/drain.ts";
import { IDLE } from "./sections/idle.ts";
import { IDLE_CONNECTIONS } from "./sections/idle_connections.ts";
import { KEEP_ALIVE } from "./sections/keep_alive.ts";
import { KEPT } from "./sections/kept.ts";
import { OUTGOING } from "./sections/outgoing.ts";
import { PROCESS_ONE } from "./sections/process_one.ts";
import { RELOAD } from "./sections/reload.ts";
import type { Section } from "./section.ts";
import { START } from "./sections/start.ts";
import { THROUGHPUT } from "./sections/throughput.ts";
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
