/** UDP sockets that are not handed over, and that no second copy can bind: the user learns of them before a reload fails. */
import { socketInodesOf } from "../../platform/process/proc.ts";

export const UDP_REMEDY = "say --udp switch, or --order stop-first";
export const QUIC_REMEDY =
  "switch it off there (HTTP/3 clients use TCP then), or say --order stop-first";
/** Sockets that are remembered; the oldest are forgotten. */
const MOST = 256;

export class LeftDatagrams {
  /** Addresses of sockets, by inode. */
  readonly #bound = new Map<number, string>();
  /** Addresses where the server speaks QUIC. */
  readonly quic = new Set<string>();

  add(inode: number, address: string): void {
    this.#bound.set(inode, address);
    const [oldest] = this.#bound.keys();
    if (this.#bound.size > MOST && oldest !== undefined) this.#bound.delete(oldest);
  }

  /**
   * @returns the addresses of sockets that `processes` still have open: a server may have asked a question from one,
   * and closed it
   */
  heldBy(processes: readonly number[]): string[] {
    if (this.#bound.size === 0) return [];
    const held = new Set(processes.flatMap((pid) => [...socketInodesOf(pid)]));
    return [...this.#bound].filter(([inode]) => held.has(inode)).map(([, address]) => address);
  }
}
