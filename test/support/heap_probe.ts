/**
 * Preloaded into baton from source, on Bun: at SIGWINCH it writes how many objects of each class are alive to the file that
 * HEAP_COUNTS names.
 */
import { renameSync, writeFileSync } from "node:fs";
import process from "node:process";

interface Snapshot {
  readonly snapshot: { readonly meta: { readonly node_fields: readonly string[] } };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

process.on("SIGWINCH", () => {
  const path = process.env["HEAP_COUNTS"]!;
  Bun.gc(true);
  const { snapshot, nodes, strings }: Snapshot = JSON.parse(Bun.generateHeapSnapshot("v8"));
  const fields = snapshot.meta.node_fields;
  const counts: Record<string, number> = {};
  for (let i = fields.indexOf("name"); i < nodes.length; i += fields.length) {
    const name = strings[nodes[i]!] ?? "";
    counts[name] = (counts[name] ?? 0) + 1;
  }
  writeFileSync(`${path}.new`, JSON.stringify(counts));
  renameSync(`${path}.new`, path);
});
