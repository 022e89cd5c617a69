/** `baton scale N`, `baton scale +N`, `baton scale -N`: words -> command. Pure. */
import { UserError } from "../../config/values/errors.ts";
import { type ServiceCommand, serviceCommand, type Words } from "./words.ts";

export interface ScaleCommand extends ServiceCommand<"scale"> {
  /** How many workers; with `relative`, how many more, or fewer where it is negative. */
  readonly change: { readonly workers: number; readonly relative: boolean };
}

/** A sign, and at most four digits: larger numbers are not worth a request. The service has a limit of its own. */
const CHANGE = /^([+-]?)(\d{1,4})$/;

/** @returns whether this word, which begins with a dash, is a number and so not an option */
export function isLess(word: string): boolean {
  return /^-\d+$/.test(word);
}

export function parseScale(words: Words): ScaleCommand {
  const [text, ...operands] = words.operands;
  if (text === undefined) {
    throw new UserError("Cannot change the number of workers: it is missing", {
      remedy: "For example: baton scale 4, or baton scale +1",
    });
  }
  const [, sign = "", digits = ""] = CHANGE.exec(text) ?? [];
  if (digits === "" || (sign === "" && Number(digits) === 0)) {
    const [next = ""] = operands;
    throw new UserError(
      `Cannot use "${text}": it must be a number of workers from 1 on, +1 or -1`,
      {
        remedy: digits !== ""
          ? "To end the service: baton stop"
          : CHANGE.test(next)
          ? `The number comes first: baton scale ${next} ${text}`
          : "For example: baton scale 4",
      },
    );
  }
  const workers = Number(`${sign}${digits}`);
  const change = { workers, relative: sign !== "" };
  return { change, ...serviceCommand("scale", { ...words, operands }) };
}
