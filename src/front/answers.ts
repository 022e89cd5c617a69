/** What the endpoints of a generation on trial have answered beside those of the serving one, as Envoy counts it. Pure. */
import type { AnswerCounts } from "./acknowledgement.ts";
import { addressKey, type AssignedEndpoint } from "./assignment.ts";

/** Fewest errors that say something. */
const LEAST_ERRORS = 5;
/** The same where nothing but errors has come, which is how a service of two requests a minute shows them. */
const LEAST_IF_ALL = 3;
/** By how much the part of errors may be above that of the serving generation. */
const TOLERANCE = 0.05;

/** Counts by epoch. */
export type AnswersByEpoch = ReadonlyMap<number, AnswerCounts>;

const NONE: AnswerCounts = { requests: 0, errors: 0 };

/** @param byAddress of `answersOf` */
export function answersByEpoch(
  endpoints: readonly AssignedEndpoint[],
  byAddress: ReadonlyMap<string, AnswerCounts>,
): Map<number, AnswerCounts> {
  const found = new Map<number, AnswerCounts>();
  for (const { epoch, address } of endpoints) {
    found.set(epoch, sum(found.get(epoch) ?? NONE, byAddress.get(addressKey(address)) ?? NONE));
  }
  return found;
}

export function addAnswers(all: readonly AnswersByEpoch[]): Map<number, AnswerCounts> {
  const added = new Map<number, AnswerCounts>();
  for (const [epoch, counts] of all.flatMap((each) => [...each])) {
    added.set(epoch, sum(added.get(epoch) ?? NONE, counts));
  }
  return added;
}

function sum(one: AnswerCounts, other: AnswerCounts): AnswerCounts {
  return { requests: one.requests + other.requests, errors: one.errors + other.errors };
}

/** What has come since `before`. Counters that have begun again (a changed cluster, another Envoy) count from 0. */
export function answersSince(before: AnswerCounts = NONE, now: AnswerCounts = NONE): AnswerCounts {
  if (now.requests < before.requests || now.errors < before.errors) return now;
  return { requests: now.requests - before.requests, errors: now.errors - before.errors };
}

/** @returns why the generation on trial is not well; null: it is, or too little is known */
export function errorVerdict(onTrial: AnswerCounts, serving: AnswerCounts): string | null {
  const least = onTrial.errors === onTrial.requests ? LEAST_IF_ALL : LEAST_ERRORS;
  if (onTrial.errors < least) return null;
  const partOf = ({ errors, requests }: AnswerCounts) => requests === 0 ? 0 : errors / requests;
  if (partOf(onTrial) <= partOf(serving) + TOLERANCE) return null;
  const text = ({ errors, requests }: AnswerCounts) => `${errors} of ${requests}`;
  return `${text(onTrial)} requests to it have failed (5xx, or no answer), and ${
    text(serving)
  } to the ` +
    "generation before, as Envoy counts them";
}
