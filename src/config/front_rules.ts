/** Rules across the options of a service behind a front. Pure. */
import type { Config } from "./config.ts";
import { UserError } from "./values/errors.ts";

type FrontConfig = Pick<Config, "front">;

/** @throws {UserError} at the first broken rule */
export function checkFront({ front }: FrontConfig): void {
  for (const [index, { file, place, text }] of front.entries()) {
    const before = front.slice(0, index);
    const sameFile = before.find((other) => other.file === file);
    if (sameFile !== undefined) {
      throw new UserError(`Cannot use --front ${text}: --front ${sameFile.text} has this file`, {
        remedy: "Envoy takes one cluster from one file: give each a file of its own",
      });
    }
    if (before.some((other) => other.place === place)) {
      const where = place === null ? "no port=" : `the same address, ${place}`;
      throw new UserError(`Cannot use --front ${text}: another --front has ${where}`, {
        remedy: "Name the address that each stands before: port=PORT or path=/PATH",
      });
    }
  }
}
