/** Compares a token that a client sends with those of the file. */
import { createHash, timingSafeEqual } from "node:crypto";
import { errorText } from "../platform/error.ts";
import type { TokenRefusal } from "./access.ts";
import { readTokens } from "./token_file.ts";

/** @returns null when `given` is one of the tokens */
export function refuseToken(path: string, given: string): TokenRefusal | null {
  let tokens: readonly string[];
  try {
    tokens = readTokens(path);
  } catch (error) {
    return { status: 503, why: errorText(error) };
  }
  // Digests have one length, and all are compared: the time tells nothing about a token.
  const wanted = digest(given);
  const matches = tokens.map((token) => timingSafeEqual(digest(token), wanted));
  return matches.includes(true)
    ? null
    : { status: 401, why: "the token is not the one of this service" };
}

function digest(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text).digest());
}
