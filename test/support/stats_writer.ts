/**
 * A baton that counts as fast as it can, in memory that it is given by a path: stats_writer.ts /proc/PID/fd/N. Its gauge has
 * one of two values, no half of which is the other's; every now and then it moves to another slot. It ends when its parent
 * does, and after a minute at the latest.
 */
import process from "node:process";
import { C } from "../../src/platform/libc/constants.ts";
import { Platform } from "../../src/platform/platform.ts";
import { Region } from "../../src/stats/region.ts";
import { Registry } from "../../src/stats/registry.ts";
import { testRuntime } from "./test_platform.ts";

const LONGEST_MS = 60_000;
const LOOK_EVERY = 1_000;
const MOVE_EVERY = 50;
export const TWO_VALUES = new Float64Array(
  new BigUint64Array([0x3fff_1111_2222_3333n, 0x4000_eeee_dddd_ccccn]).buffer,
);

if (import.meta.main) {
  const platform = new Platform(await testRuntime());
  const region = Region.continue(platform, platform.descriptors.open(process.argv[2]!, C.O_RDWR));
  const registry = new Registry();
  const counter = registry.counter("baton_reloads_total");
  const gauge = registry.gauge("baton_epoch");
  gauge.set(TWO_VALUES[0]!);
  registry.attach(region);
  const [parent, endMs] = [process.ppid, Date.now() + LONGEST_MS];
  for (let i = 1;; i++) {
    counter.add();
    gauge.set(TWO_VALUES[i % 2]!);
    if (i % MOVE_EVERY === 0) registry.collect();
    if (i % LOOK_EVERY === 0 && (process.ppid !== parent || Date.now() > endMs)) break;
  }
}
