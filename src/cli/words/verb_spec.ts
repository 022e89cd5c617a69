/** A flag of one verb. */
export interface VerbFlag {
  /** Without dashes. */
  readonly flag: string;
  /** Stands for the value in help; null: the flag takes none. */
  readonly placeholder: string | null;
  readonly help: string;
  /** May be given several times. */
  readonly repeatable?: boolean;
  /** Heading in the help text; without one: "Options". */
  readonly group?: string;
}

/** The words that one verb accepts. */
export interface VerbSpec {
  readonly summary: string;
  /** The words besides options, for the usage line. */
  readonly operands: string;
  /** Most words besides options; for `run`, all from the first on are the server's command. */
  readonly maxOperands: number;
  readonly flags: readonly VerbFlag[];
  /** It takes the flags of `run`. */
  readonly takesRunOptions?: boolean;
  /** Command lines and what they do, for the help text; each fits on a line. */
  readonly examples: readonly (readonly [line: string, what: string])[];
}
