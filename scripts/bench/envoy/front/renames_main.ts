/**
 * Prints when a file came to its name: `bun renames_main.ts DIRECTORY NAME`, until SIGTERM. A process of its own, which has
 * nothing else to do: in that of the benchmark a busy loop saw a rename only after its effect.
 */
import { watch } from "node:fs";
import process from "node:process";

const [directory = "", name = ""] = process.argv.slice(2);

watch(directory, (_, changed) => {
  if (changed !== name) return;
  process.stdout.write(`${performance.timeOrigin + performance.now()}\n`);
});
process.stdout.write("ready\n");
