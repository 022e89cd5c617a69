/**
 * When two paths are the same place for the clients of a service. Pure.
 * - One leads into another directory between two generations: the directory was made again (a cleared /run/app), or a
 *   link or the working directory leads to the next release. Clients of that path find the new directory only, so what
 *   listens there is in the place of what listened in the old one.
 * - One has the number of its generation (`{epoch}`), or a random part, which each start makes up (mktemp(3)): what has
 *   learned the one of before does not look for it in the next generation.
 */
import type { Group } from "../group.ts";

type Place = Pick<Group, "text" | "path" | "members">;

/** The group at which `epoch` listens in place of `group`; `group` itself if there is none. */
export function placeOf<T extends Place>(groups: readonly T[], group: T, epoch: number): T {
  const isOf = ({ members }: T) => members.some((each) => each.epoch === epoch && !each.dead);
  return groups.find((each) => isOf(each) && takesPlaceOf(each, group, epoch)) ?? group;
}

/** Whether both are one path in the words of the servers. A generation that has both means two. */
function takesPlaceOf(next: Place, before: Place, epoch: number): boolean {
  if (next === before || !next.path || !before.path) return false;
  const epochs = new Set(before.members.flatMap(({ epoch, dead }) => dead ? [] : [epoch]));
  if (next.members.some(({ epoch, dead }) => !dead && epochs.has(epoch))) return false;
  const asked = new Set(askedFor(before));
  return next.text === before.text || askedFor(next).some((text) => asked.has(text)) ||
    differsAtRandom(next.text, before.text) ||
    [...epochs].some((old) => differsByEpoch([next.text, epoch], [before.text, old]));
}

/** Whether each has the number of its own generation where they differ. */
function differsByEpoch([one, epoch]: [string, number], [other, old]: [string, number]): boolean {
  const [ones, others] = [one.split(/(\d+)/), other.split(/(\d+)/)];
  return ones.length === others.length &&
    ones.every((part, i) =>
      part === others[i] || part === String(epoch) && others[i] === String(old)
    );
}

/** The shortest part that is taken for random: shorter ones may be words, or numbers with a meaning. */
const LEAST_RANDOM = 6;
/** Of one component: what both have, and then what was made up. */
const RANDOM = /^\w*[0-9A-Z_]\w*$/;

function differsAtRandom(one: string, other: string): boolean {
  const [ones, others] = [one.split("/"), other.split("/")];
  if (one === other || ones.length !== others.length) return false;
  return ones.every((part, i) => part === others[i] || isRandomBeside(part, others[i]!));
}

/** Whether both have the same beginning and end, and in between as many random characters. */
function isRandomBeside(one: string, other: string): boolean {
  if (one.length !== other.length) return false;
  const differs = [...one].map((char, i) => char !== other[i]);
  const [from, to] = [differs.indexOf(true), differs.lastIndexOf(true) + 1];
  const [own, others] = [one.slice(from, to), other.slice(from, to)];
  return own.length >= LEAST_RANDOM && RANDOM.test(own) && RANDOM.test(others);
}

/** The path as servers have named it. */
function askedFor({ members }: Place): string[] {
  return members.flatMap(({ node, dead }) =>
    dead || node === undefined ? [] : [node.asked ?? node.bound]
  );
}
