/** One way to replace one program by its next version, as `make bench-peers` measures it. */

/** Where a contestant runs. It writes nothing outside `dir`. */
export interface Place {
  readonly dir: string;
  readonly port: number;
  /** For HTTP/2 without TLS, where the program has it. */
  readonly h2Port: number;
  /** Environment of every process that it starts. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Started {
  /** The process that replaces the server by the next one, and serves nothing itself; null: there is none. */
  readonly supervisor: number | null;
  /** Processes from which all others of it descend. Asked again and again: they may change. */
  roots(): readonly number[];
  /** Does what a user does to get the next version served; that is in place already. Returns when the command does. */
  reload(): Promise<void>;
  /** Ends all of it, in the contestant's own way. */
  stop(): Promise<void>;
}

/** What is installed. */
export interface Installed {
  readonly version: string;
  /** Puts what the server answers with in place: what it starts with next has this version. */
  deploy(place: Place, version: string): void;
  /** The server alone, without anything that replaces it: its own boot is measured with it. */
  bare(place: Place): readonly string[];
  start(place: Place): Promise<Started>;
}

export interface Contestant {
  /** "nginx HUP": the row's name. */
  readonly name: string;
  /** "nginx": rows of the same program stand together. */
  readonly program: string;
  /** "kill -HUP": how the next version is asked for. */
  readonly how: string;
  readonly hasHttp2: boolean;
  /** Between two reloads, where it needs more than others. */
  readonly betweenMs?: number;
  /** Installs what is missing. @throws {Missing} where that cannot be */
  install(): Promise<Installed>;
}

/** The contestant cannot run here: it is left out, and the reason is printed. */
export class Missing extends Error {}
