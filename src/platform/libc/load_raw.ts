/** Loads the functions of raw_calls.ts into this process: dlopen(3) of a file without a name. */
import { C, MFD_EXEC } from "./constants.ts";
import { errnoOf, RAW, rawFunctions } from "./raw_calls.ts";
import { sharedObject } from "./shared_object.ts";
import type { FileCalls, KeepErrno, Library, Runtime } from "../runtime/runtime.ts";

const NAME = new TextEncoder().encode("baton-calls\0");

/**
 * @param keep gets the error of a call that has failed
 * @returns null where no page of ours may be executed (SELinux execmem, vm.memfd_noexec) or there is no /proc
 */
export function loadRaw(
  { arch, openLibrary }: Pick<Runtime, "arch" | "openLibrary">,
  { memfd_create, write, close }: FileCalls,
  keep: KeepErrno,
): Library<typeof RAW> | null {
  const onResult = (result: number) => {
    const errno = errnoOf(result);
    return errno === 0 ? result : keep(errno);
  };
  const file = sharedObject(arch, rawFunctions(arch));
  const flags = C.MFD_CLOEXEC;
  const withExec = memfd_create(NAME, flags | MFD_EXEC);
  const fd = withExec >= 0 ? withExec : memfd_create(NAME, flags);
  if (fd < 0) return null;
  try {
    if (write(fd, file, file.length) !== file.length) return null;
    // Loaded now. Later functions are found by this name among what is loaded, whatever the number is by then.
    return openLibrary([`/proc/self/fd/${fd}`], RAW, onResult);
  } catch {
    return null;
  } finally {
    close(fd);
  }
}
