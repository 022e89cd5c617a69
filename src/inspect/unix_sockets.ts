/** The Unix sockets at which processes listen, from /proc/net/unix. Pure. net/unix/af_unix.c, unix_seq_show() */

interface ListeningPath {
  readonly inode: number;
  /** A path, or a name that begins with "@". */
  readonly path: string;
}

/** __SO_ACCEPTCON, include/linux/socket.h */
const ACCEPTS = 0x10000;
const LINE = /^[0-9a-f]+: \S+ \S+ ([0-9A-F]+) \S+ \S+ +(\d+) (.+)$/gm;

export function listeningPaths(text: string): ListeningPath[] {
  return [...text.matchAll(LINE)].flatMap(([, flags = "", inode, path = ""]) =>
    (parseInt(flags, 16) & ACCEPTS) === 0 ? [] : [{ inode: Number(inode), path }]
  );
}
