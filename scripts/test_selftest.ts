/**
 * Whether the tests of the test tools have passed with the tools as they are: `make test-selftest` runs them and, if
 * they pass, notes the hash of the tools in PROVEN. `make test` runs them only when that note is out of date.
 *
 *   deno run -A scripts/test_selftest.ts     writes the note
 */
const ROOT = new URL("..", import.meta.url).pathname;
const TOOLS = ["scripts", "test/fixtures", "test/selftest", "test/support"];
const PROVEN = "test/selftest/proven.txt";
/** What the interpreters of fixtures leave in the tree. */
const IGNORED = ["__pycache__", "node_modules", "target"];

async function filesBelow(root: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(root + folder)) {
    const path = `${folder}/${name}`;
    if (IGNORED.includes(name) || path === PROVEN) continue;
    found.push(...isDirectory ? await filesBelow(root, path) : [path]);
  }
  return found.sort();
}

/** @param root the repository, with a slash at the end @returns a hash of all test tools, paths included */
export async function hashOfTools(root: string): Promise<string> {
  const lines: string[] = [];
  for (const folder of TOOLS) {
    for (const path of await filesBelow(root, folder)) {
      lines.push(`${path} ${await sha256(await Deno.readFile(root + path))}`);
    }
  }
  return await sha256(new TextEncoder().encode(lines.join("\n")));
}

/** @param root the repository, with a slash at the end */
export async function isProven(root: string): Promise<boolean> {
  try {
    return (await Deno.readTextFile(root + PROVEN)).trim() === await hashOfTools(root);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

if (import.meta.main) await Deno.writeTextFile(ROOT + PROVEN, `${await hashOfTools(ROOT)}\n`);
