/**
 * A Unix socket of the service manager becomes the first member at its path. Its node is never removed: while later
 * generations have the path it has a hidden name, and it gets the path back when the service ends, so that clients wait in
 * the manager's socket again. After a SIGKILL of baton it still has the hidden name: then it is found there.
 */
import type { Fd } from "../../platform/fd.ts";
import type { Directory } from "../../platform/files/directory.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownSocketInode } from "../../platform/process/proc.ts";
import type { Listeners } from "../../steering/listeners.ts";
import { NO_GENERATION } from "../../steering/member.ts";
import { pathAddress } from "../inherit_path.ts";

/**
 * Makes a member of the socket, and takes it over. @returns notices for the user: all generations will have to share it
 */
export function addActivatedPath(
  platform: Platform,
  listeners: Listeners,
  { path, fd }: { readonly path: string; readonly fd: Fd },
): string[] {
  const group = listeners.obtain(pathAddress(platform, path));
  const { directory, address } = group.path!;
  const inode = ownSocketInode(fd.number);
  const name = nameOf(platform, directory, { inode, publicName: address.name }) ?? address.name;
  const key = directory.stat(name)?.key ?? "";
  const node = { name, key, bound: path };
  const origin = directory.isWritable ? "grouped" : "shared";
  group.addListening(fd, { epoch: NO_GENERATION, origin, node });
  // Where an earlier baton was killed, the first generation gets the path for it (inherit.ts).
  if (directory.isWritable) return [];
  return [
    `the socket at ${group.text} is shared by all generations, which is not as good as one for ` +
    `each: baton may not write to ${address.directory}; a new one may get connections before ` +
    "it has passed its gate",
  ];
}

/** The name whose node the socket is bound to; null: none, or the kernel does not show that. */
function nameOf(
  { unixDiag }: Platform,
  directory: Directory,
  { inode, publicName }: { inode: number; publicName: string },
): string | null {
  const node = unixDiag.sockets().find((each) => each.inode === inode)?.node ?? null;
  const number = node?.split(":")[1];
  if (number === undefined) return null;
  const isIt = (name: string) => directory.stat(name)?.key.split(":")[1] === number;
  const names = [publicName, ...directory.names.filter((name) => name.startsWith("."))];
  return names.find(isIt) ?? null;
}
