/** One expectation for `assert.throws`: a SystemCallError, field by field. */
import assert from "node:assert/strict";
import { SystemCallError } from "../../src/platform/error.ts";

export interface ExpectedFailure {
  readonly call: string;
  /** "EADDRINUSE" */
  readonly code: string;
  readonly subject: string | RegExp;
}

/** @returns a predicate for `assert.throws` that says which field is wrong */
export function systemCallError(expected: ExpectedFailure): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof SystemCallError, `a SystemCallError, not ${String(error)}`);
    assert.equal(error.call, expected.call);
    assert.equal(error.code, expected.code);
    if (typeof expected.subject === "string") assert.equal(error.subject, expected.subject);
    else assert.match(error.subject, expected.subject);
    assert.equal(error.message, `Cannot ${error.call} ${error.subject}: ${error.code}`);
    assert.equal(error.name, "SystemCallError");
    return true;
  };
}
