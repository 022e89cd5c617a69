/**
 * The shared memory of Envoy's hot restart, and the mark in it: INITIALIZING is set while an Envoy starts, and each other one
 * that starts meanwhile ends. One that fails leaves it set, and then none starts any more. Pure.
 *
 * source/server/hot_restart_impl.h: `struct SharedMemory { uint64_t size_, version_; pthread_mutex_t log_lock_,
 * access_log_lock_; std::atomic<uint64_t> flags_; }`; seen with 1.36.2 and 1.40.0, which call the layout "11.104".
 */

const VERSION = 11;
const VERSION_AT = 8;
const FLAG_SIZE = 8;
const INITIALIZING = 1n;
/** Sizes of the structure on x64 and arm64: that of a pthread_mutex_t differs. */
const KNOWN_SIZES = [104, 120];
/** The memory's file in /proc/PID/maps; the number in its name follows from --base-id. */
const NAME = /\s(\/dev\/shm\/envoy_shared_memory_\d+)( \(deleted\))?$/m;

/** Bytes to read of the file, which is larger. */
export const MEMORY_SIZE = 128;

/** @param maps of a process, proc_pid_maps(5) @returns the file, as the process names it; null: it has none */
export function memoryIn(maps: string): { readonly path: string; readonly isGone: boolean } | null {
  const [, path, gone] = NAME.exec(maps) ?? [];
  return path === undefined ? null : { path, isGone: gone !== undefined };
}

export interface Mark {
  readonly isSet: boolean;
  /** Where the mark is in the file, in bytes. */
  readonly at: number;
  /** Bytes to write there, so that the mark is not set any more. */
  readonly cleared: Uint8Array;
}

/** @returns why the memory is not known instead: "13.104" */
export function markIn(bytes: Uint8Array): Mark | { readonly unknown: string } {
  if (bytes.length < FLAG_SIZE + VERSION_AT) return { unknown: `${bytes.length} bytes` };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const size = Number(view.getBigUint64(0, true));
  const version = Number(view.getBigUint64(VERSION_AT, true));
  if (version !== VERSION || !KNOWN_SIZES.includes(size) || bytes.length < size) {
    return { unknown: `${version}.${size}` };
  }
  const at = size - FLAG_SIZE;
  const flags = view.getBigUint64(at, true);
  const cleared = new Uint8Array(FLAG_SIZE);
  new DataView(cleared.buffer).setBigUint64(0, flags & ~INITIALIZING, true);
  return { isSet: (flags & INITIALIZING) !== 0n, at, cleared };
}
