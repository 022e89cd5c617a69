/** Local time as the C library has it: by TZ, which may be more than a name of a zone, else /etc/localtime. localtime(3) */
import { cString, type Libc, struct } from "./libc/libc.ts";

const TIME_SIZE = 8;
/** sizeof(struct tm) in both C libraries. */
const TM_SIZE = 56;
const FIRST_YEAR = 1900;

/** @param TZ the shipped binary's C library has no environment (scripts/binary/own_environment.ts) */
export function useTimeZone({ c }: Libc, TZ: string | undefined): void {
  if (TZ !== undefined) c.setenv(cString("TZ"), cString(TZ), 1);
  c.tzset();
}

/** @param wallMs milliseconds since 1970 */
export function localTime({ c }: Libc, wallMs: number) {
  const [time, tm] = [struct(TIME_SIZE), struct(TM_SIZE)];
  time.view.setBigInt64(0, BigInt(Math.floor(wallMs / 1000)), true);
  c.localtime_r(time.bytes, tm.bytes);
  const field = (index: number) => tm.view.getInt32(4 * index, true);
  return {
    year: field(5) + FIRST_YEAR,
    month: field(4) + 1,
    day: field(3),
    hours: field(2),
    minutes: field(1),
    seconds: field(0),
  };
}
