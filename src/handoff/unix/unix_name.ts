/** The path or name in a `struct sockaddr_un`, unix(7). Pure. */
import { decodeBytes } from "../../platform/bytes.ts";
import { C } from "../../platform/libc/constants.ts";

/** sizeof(struct sockaddr_un). */
export const ADDRESS_SIZE = 110;
/** offsetof(struct sockaddr_un, sun_path). */
const PATH_OFFSET = 2;

/** @returns null: an abstract name, no name, or an address of another family */
export function pathInAddress(address: Uint8Array): string | null {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  if (address.length <= PATH_OFFSET || view.getUint16(0, true) !== C.AF_UNIX) return null;
  const bytes = address.subarray(PATH_OFFSET);
  const end = bytes.indexOf(0);
  const path = decodeBytes(end < 0 ? bytes : bytes.subarray(0, end));
  return path === "" ? null : path;
}

/** @returns the abstract name, with "@" for its first byte; null: a path, no name, or an address of another family */
export function abstractNameIn(address: Uint8Array): string | null {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  // Without a name the kernel makes one up.
  if (address.length <= PATH_OFFSET + 1 || view.getUint16(0, true) !== C.AF_UNIX) return null;
  const [first, ...rest] = address.subarray(PATH_OFFSET);
  return first === 0 ? `@${decodeBytes(Uint8Array.from(rest))}` : null;
}
