/** The program that sends new connections to members of a group, by their indices. Pure. */
import { assemble, encode } from "./program.ts";

/** @param indices at least one; several get their connections at random */
export function programChoosing(indices: readonly number[]): Uint8Array {
  const [only] = indices;
  return encode(assemble(
    indices.length === 1 && only !== undefined
      ? { kind: "one", index: only }
      : { kind: "spread", indices },
  ));
}
