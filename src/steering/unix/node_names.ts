/** The nodes in a directory: which is at which name, and whose they are. */
import { orNull } from "../../platform/error.ts";
import type { Directory } from "../../platform/files/directory.ts";
import type { FileIdentity } from "../../platform/process/file_identity.ts";
import type { UnixNode } from "../member.ts";
import { isHiddenName } from "./hidden_name.ts";

/**
 * Notes at which name each of `nodes` is: another process may have exchanged names since they were written down, among
 * the nodes and with the public one. A node at none of them has lost its name.
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

/**
 * Gives `node` the public name, and its own name to the node that had that. A name that is the server's own (HAProxy
 * renames `s.PID.tmp`, and binds that once more) stays free for it.
 * @param spare a hidden name for the node that had the public one
 * @throws {SystemCallError} nothing has changed then
 */
export function exchangeNames(
  directory: Pick<Directory, "exchange" | "remove" | "rename">,
  { node, target, spare }: {
    readonly node: UnixNode;
    readonly target: string;
    readonly spare: (before: UnixNode) => string;
  },
  nodes: readonly UnixNode[],
): void {
  const { name: hidden } = node;
  if (hidden === null) return;
  const hasExchanged = directory.exchange(hidden, target);
  const before = nodes.find(({ name }) => name === target);
  node.name = target;
  if (before !== undefined) {
    before.name = hasExchanged ? hidden : null;
    if (hasExchanged && !isHiddenName(hidden, target)) {
      orNull(() => {
        const name = spare(before);
        directory.rename(hidden, name);
        before.name = name;
      });
    }
  } // No socket of ours: what was left at the path.
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

/** @returns owner and mode of the first node that is there */
export function ownerLike(
  directory: Pick<Directory, "stat">,
  names: readonly string[],
): FileIdentity {
  const example = names.map((name) => directory.stat(name)).find((stat) => stat !== null);
  const { uid = -1, gid = -1, mode = 0o600 } = example ?? {};
  return { uid, gid, umask: ~mode & 0o777 };
}
