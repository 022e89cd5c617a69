/** Arguments that name a descriptor which the server does not get: `server --config <(generate)`. Pure. */
import type { LaunchPlan } from "../launcher/plan.ts";
import { FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";

/** @returns hints to show when the server has failed: none, or one */
export function lostDescriptors(
  { argv, members, readyDescriptor }: Pick<LaunchPlan, "argv" | "members" | "readyDescriptor">,
): string[] {
  const isLost = (descriptor: number) =>
    descriptor >= FIRST_PASSED_DESCRIPTOR + members && descriptor !== readyDescriptor;
  const named = argv.flatMap((word) => [...word.matchAll(/\/(?:dev|proc\/self)\/fd\/(\d+)\b/g)]);
  const lost = named.filter(([, digits]) => isLost(Number(digits))).map(([path]) => path);
  if (lost.length === 0) return [];
  const paths = [...new Set(lost)].join(", ");
  return [
    `it does not get ${paths}: write a file in place of <(...), or put the command into bash -c`,
  ];
}
