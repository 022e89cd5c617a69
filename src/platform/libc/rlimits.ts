/** The resource limits of a process, setrlimit(2). */
import { C } from "./constants.ts";

/** Numbers by the names of prlimit(1), in the order of the kernel. */
export const RLIMITS = {
  cpu: C.RLIMIT_CPU,
  fsize: C.RLIMIT_FSIZE,
  data: C.RLIMIT_DATA,
  stack: C.RLIMIT_STACK,
  core: C.RLIMIT_CORE,
  rss: C.RLIMIT_RSS,
  nproc: C.RLIMIT_NPROC,
  nofile: C.RLIMIT_NOFILE,
  memlock: C.RLIMIT_MEMLOCK,
  as: C.RLIMIT_AS,
  locks: C.RLIMIT_LOCKS,
  sigpending: C.RLIMIT_SIGPENDING,
  msgqueue: C.RLIMIT_MSGQUEUE,
  nice: C.RLIMIT_NICE,
  rtprio: C.RLIMIT_RTPRIO,
  rttime: C.RLIMIT_RTTIME,
} as const;

export type RlimitName = keyof typeof RLIMITS;
