/** The nodes in a directory: which is at which name, and whose they are. */
import { orNull } from "../../platform/error.ts";
import type { Directory } from "../../platform/files/directory.ts";
import type { FileIdentity } from "../../platform/process/file_identity.ts";
import type { UnixNode } from "../member.ts";

/**
 * Another process may have exchanged names since they were written down, among the nodes and with the public one. A node
 * at none of them has lost its name.
 */
export function findNames(
  directory: Pick<Directory, "stat">,
  publicName: string,
  nodes: readonly UnixNode[],
): void {
  const names = new Set([publicName, ...nodes.flatMap(({ name }) => name ?? [])]);
  const byKey = new Map([...names].map((name) => [directory.stat(name)?.key, name]));
  for (const node of nodes) node.name = byKey.get(node.key) ?? null;
}

/** The public name for `node`, and its name for the node that has that. @throws {SystemCallError} nothing has changed then */
export function exchangeNames(
  directory: Pick<Directory, "exchange" | "remove">,
  { node, target }: { readonly node: UnixNode; readonly target: string },
  nodes: readonly UnixNode[],
): void {
  const { name: hidden } = node;
  if (hidden === null) return;
  const hasExchanged = directory.exchange(hidden, target);
  const before = nodes.find(({ name }) => name === target);
  node.name = target;
  if (before !== undefined) before.name = hasExchanged ? hidden : null;
  // No socket of ours: what was left at the path.
  else if (hasExchanged) orNull(() => directory.remove(hidden));
}

/**
 * Removes the socket at `name`, if no record knows it: a baton that was killed between its bind(2) and the server's
 * listen(2) has left none.
 */
export function removeUnknown(
  directory: Pick<Directory, "stat" | "remove">,
  name: string,
  known: readonly UnixNode[],
): void {
  const node = directory.stat(name);
  if (node?.isSocket && !known.some(({ key }) => key === node.key)) directory.remove(name);
}

/** Of the first that is there. */
export function ownerLike(
  directory: Pick<Directory, "stat">,
  names: readonly string[],
): FileIdentity {
  const example = names.map((name) => directory.stat(name)).find((stat) => stat !== null);
  const { uid = -1, gid = -1, mode = 0o600 } = example ?? {};
  return { uid, gid, umask: ~mode & 0o777 };
}
