/**
 * A place where tests run as an ordinary user: a copy of the repository that this user owns, with a
 * home and a folder for temporary files, so that it does not matter where the repository and Deno
 * are (npx keeps Deno below /root). All of it is removed when it is disposed of.
 */

/** Where and how a test file is run. */
export interface Place {
  /** The repository, with a slash at the end. */
  readonly root: string;
  /** Put in front of the runner's own command. */
  readonly prefix: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** On most systems the user that owns no file; the name is not needed here. */
const PLAIN_USER = 65_534;
const SETPRIV = [
  "setpriv",
  `--reuid=${PLAIN_USER}`,
  `--regid=${PLAIN_USER}`,
  "--clear-groups",
  "--inh-caps=-all",
];
const COPIED = [
  "README.md",
  "deno.json",
  "deno.lock",
  "tsconfig.json",
  "src",
  "scripts",
  "test",
  "examples",
  "node_modules",
  "dist",
];
const FIXTURES = ".cache/fixtures";
/** Places of earlier runs as root. */
const NOT_PASSED_ON = ["XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "SUDO_USER"];

const folders = new Set<string>();

async function makeFolder(prefix: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix });
  folders.add(folder);
  return folder;
}

async function removeFolder(folder: string): Promise<void> {
  if (folders.delete(folder)) await Deno.remove(folder, { recursive: true });
}

/** For an interrupt: removes what has not been disposed of. */
export async function removeFolders(): Promise<void> {
  for (const folder of folders) await removeFolder(folder);
}

/** Why tests cannot change their user here, or null. */
export async function cannotChangeUser(): Promise<string | null> {
  if (Deno.uid() !== 0) return "all tests of this run are an ordinary user's";
  return await succeeds([...SETPRIV, "true"]) ? null : "setpriv (util-linux) cannot do it here";
}

export class PlainUserPlace implements Place, AsyncDisposable {
  readonly root: string;
  readonly prefix = [...SETPRIV, "env", ...NOT_PASSED_ON.map((name) => `--unset=${name}`)];
  readonly env: Readonly<Record<string, string>>;

  private constructor(readonly folder: string) {
    this.root = `${folder}/repository/`;
    this.env = {
      HOME: `${folder}/home`,
      TMPDIR: `${folder}/tmp`,
      DENO_DIR: `${folder}/home/deno`,
    };
  }

  /** @param from the repository, with a slash at the end */
  static async create(from: string): Promise<PlainUserPlace> {
    const folder = await makeFolder("user-");
    const place = new PlainUserPlace(folder);
    try {
      for (const name of ["home", "tmp", "repository/.cache/test"]) {
        await Deno.mkdir(`${folder}/${name}`, { recursive: true });
      }
      await copy(COPIED.map((name) => from + name), place.root);
      // Built by the tests before, or by these.
      await Deno.mkdir(from + FIXTURES, { recursive: true });
      await copy([from + FIXTURES], `${place.root}.cache`);
      await must("chown", "--recursive", "--no-dereference", `${PLAIN_USER}:${PLAIN_USER}`, folder);
      return place;
    } catch (error) {
      await place[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeFolder(this.folder);
  }
}

/** Deno where any user may run it: a copy, if npx keeps it below a home that is closed to others. */
export class DenoForAll implements AsyncDisposable {
  private constructor(readonly path: string, readonly folder: string | null) {}

  static async create(): Promise<DenoForAll> {
    const path = Deno.execPath();
    if (Deno.uid() !== 0 || await succeeds([...SETPRIV, "test", "-x", path])) {
      return new DenoForAll(path, null);
    }
    const folder = await makeFolder("deno-");
    await Deno.chmod(folder, 0o755);
    await Deno.copyFile(path, `${folder}/deno`);
    return new DenoForAll(`${folder}/deno`, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.folder !== null) await removeFolder(this.folder);
  }
}

async function succeeds([program = "", ...args]: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program, { args, stderr: "null" }).output()).success;
  } catch {
    return false; // There is no such program.
  }
}

async function copy(paths: readonly string[], target: string): Promise<void> {
  if (paths.length > 0) await must("cp", "--archive", "--reflink=auto", ...paths, target);
}

async function must(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`Cannot ${program}: ${new TextDecoder().decode(stderr)}`);
}
