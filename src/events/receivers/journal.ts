/**
 * Events in the journal of systemd, with fields to search by: `journalctl BATON_EVENT=reload.failed`. Only where standard
 * error leads to it, so that they are where the log is. systemd.io/JOURNAL_NATIVE_PROTOCOL.
 */
import { fstatSync } from "node:fs";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import type { EventRecord } from "../event.ts";

const SOCKET = "/run/systemd/journal/socket";
const STANDARD_ERROR = 2;
/** syslog(3) */
const PRIORITY = { debug: "7", info: "6", warn: "4", error: "3" } as const;
/** Fields of a record that have another name in the journal. */
const RENAMED: Readonly<Record<string, string>> = { id: "EVENT_ID" };
const LEFT_OUT: readonly string[] = ["time", "level", "message"];

export class Journal {
  #socket: Fd | null = null;

  /** @param stream $JOURNAL_STREAM: device and inode of what the service manager has connected to the journal */
  static find(platform: Platform, stream: string | undefined): Journal | null {
    if (stream === undefined) return null;
    try {
      const { dev, ino } = fstatSync(STANDARD_ERROR);
      return stream === `${dev}:${ino}` ? new Journal(platform) : null;
    } catch {
      return null;
    }
  }

  constructor(
    readonly platform: Pick<Platform, "sockets" | "descriptors">,
    readonly path = SOCKET,
  ) {}

  /** Writes an event. A journal that is not there, or is too slow, loses it: the log has the same. */
  write(record: EventRecord): void {
    const message = journalMessage(record);
    // The journal may have been restarted since the last event.
    if (this.#socket === null || !this.#send(message)) this.#send(message);
  }

  #send(message: Uint8Array): boolean {
    const { sockets, descriptors } = this.platform;
    try {
      this.#socket ??= sockets.datagramTo(this.path);
      if (descriptors.isWritable(this.#socket)) descriptors.send(this.#socket, message);
      return true;
    } catch {
      this.close();
      return false;
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }
}

/** @returns the fields as the native protocol has them: texts, without lists */
export function journalMessage(record: EventRecord): Uint8Array {
  const fields: [string, string][] = [
    ["MESSAGE", `${record.event}: ${record.message}`],
    ["PRIORITY", PRIORITY[record.level]],
    ["SYSLOG_IDENTIFIER", "baton"],
  ];
  for (const [key, value] of Object.entries(record)) {
    if (LEFT_OUT.includes(key) || typeof value === "object") continue;
    const name = RENAMED[key] ?? key.replaceAll(/[A-Z]/g, "_$&").toUpperCase();
    fields.push([`BATON_${name}`, String(value)]);
  }
  // A value must not begin another field.
  const lines = fields.map(([name, value]) => `${name}=${value.replaceAll(/[\r\n]+/g, " ")}\n`);
  return new TextEncoder().encode(lines.join(""));
}
