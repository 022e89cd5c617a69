/** The file of --otlp-headers-file, which may hold secrets. It is read for each sending. */
import { UserError } from "../../../config/values/errors.ts";
import { parseHeaders } from "../../../config/values/otlp_url.ts";
import { errorText } from "../../../platform/error.ts";
import { NOT_A_FILE, readRegularFile } from "../../../platform/files/regular_file.ts";

/** Any permission of others, and to write for the group. */
const FORBIDDEN_MODE = 0o027;

/** @throws {UserError} when it is missing, no file, open to others, or has something else in it */
export function readHeaders(file: string): Readonly<Record<string, string>> {
  const refuse = () =>
    new UserError(`Cannot use the headers in ${file}: ${NOT_A_FILE}`, {
      remedy: "Write one NAME: VALUE a line into a file: it is read each time",
    });
  const check = ({ mode }: { readonly mode: number }) => {
    if ((mode & FORBIDDEN_MODE) === 0) return;
    throw new UserError(`Cannot use the headers in ${file}: others can read or change them`, {
      remedy: `chmod 0600 ${file}`,
    });
  };
  try {
    return parseHeaders(new TextDecoder().decode(readRegularFile(file, refuse, check)));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot use the headers in ${file}: ${errorText(error)}`, {
      remedy: "Create it, or name another file with --otlp-headers-file",
    });
  }
}
