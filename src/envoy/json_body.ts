/** Answers of an administration interface in JSON. Pure. */

/** @returns null: it is no JSON */
export function readJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
