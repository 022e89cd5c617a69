/** The shape of a verb, and the flags that several verbs share. */

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

export interface VerbSpec {
  readonly summary: string;
  /** The words besides options, as the usage line shows them; "..." stands for any number of them. */
  readonly operands: string;
  readonly flags: readonly VerbFlag[];
  /** Command lines and what they do, for the help text; each fits on a line. */
  readonly examples: readonly (readonly [line: string, what: string])[];
}

export const NAME: VerbFlag = {
  flag: "name",
  placeholder: "NAME",
  help: "Name of the service; --name may be left out. By default the only running service.",
};
export const RUNTIME_DIR: VerbFlag = {
  flag: "runtime-dir",
  placeholder: "DIR",
  help: "Directory of the control socket, if 'baton run' has this option, too.",
};
export const JSON_OUTPUT: VerbFlag = {
  flag: "json",
  placeholder: null,
  help: "Print JSON instead of text.",
};
export const TIMEOUT: VerbFlag = {
  flag: "timeout",
  placeholder: "TIME",
  help: "Longest wait for the outcome. By default as long as the timeouts of the service allow.",
};
