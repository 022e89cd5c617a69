/** The path or name in a `struct sockaddr_un`, unix(7). Pure. */
import { C } from "../../platform/libc/constants.ts";
import { decodeUnixPath } from "../../platform/network/address.ts";

/** sizeof(struct sockaddr_un). */
export const ADDRESS_SIZE = 110;
/** offsetof(struct sockaddr_un, sun_path). */
const PATH_OFFSET = 2;

/** @returns null: an abstract name, no name, or an address of another family */
export function pathInAddress(address: Uint8Array): string | null {
  return isUnix(address) && address[PATH_OFFSET] !== 0 ? decodeUnixPath(address) : null;
}

/** @returns the abstract name, with "@" for its first byte; null: a path, no name, or an address of another family */
export function abstractNameIn(address: Uint8Array): string | null {
  // Without a name the kernel makes one up.
  const isAbstract = address.length > PATH_OFFSET + 1 && address[PATH_OFFSET] === 0;
  return isUnix(address) && isAbstract ? decodeUnixPath(address) : null;
}

/** As people write it: many programs, as Envoy, bind all of `sun_path`, with NULs behind the name. */
export function trimmedName(name: string): string {
  return name.replace(/\0+$/, "");
}

function isUnix(address: Uint8Array): boolean {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  return address.length > PATH_OFFSET && view.getUint16(0, true) === C.AF_UNIX;
}
