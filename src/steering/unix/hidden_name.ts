/** The names of nodes that clients do not use: in the directory of the public name, hidden, and as short as they can be. Pure. */

/** struct sockaddr_un has room for 108 bytes, and some servers want a NUL at the end. */
export const LONGEST_BOUND = 107;
/** A longer one would not fit into one more name of the same directory. */
const LONGEST_NAME = 64;

/** @param label tells nodes of one path apart, "1" */
export function hiddenName(publicName: string, label: string): string {
  return `.${publicName.slice(0, LONGEST_NAME)}.${label}`;
}

/** Whether a baton may have made a node of that name beside `publicName`: for a generation, or as a queue of its own. */
export function isHiddenName(name: string, publicName: string): boolean {
  const stem = hiddenName(publicName, "");
  return name.startsWith(stem) && /^q?\d+$/.test(name.slice(stem.length));
}
