/** Files, folders and the tools that pack them. Everything has the time of the commit, and belongs to root. */
import { dirname, join } from "node:path";

/** @throws {Error} with what the program said */
export async function run(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const options = { args: [...args], ...cwd === undefined ? {} : { cwd } };
  const { success, stdout, stderr } = await new Deno.Command(program, options).output();
  if (success) return new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr).trim();
  throw new Error(`Cannot run ${program} ${args.join(" ")}: ${said}`);
}

export async function isInstalled(program: string): Promise<boolean> {
  const args = ["-c", 'command -v "$0" >/dev/null', program];
  return (await new Deno.Command("sh", { args }).output()).success;
}

/** Whatever the umask is. */
export async function writeFile(path: string, text: string, mode = 0o644): Promise<void> {
  await makeFolder(dirname(path));
  await Deno.writeTextFile(path, text);
  await Deno.chmod(path, mode);
}

/** By rename: a copy that runs keeps its program. */
export async function copyProgram(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  const temporary = `${to}.${Deno.pid}.new`;
  await Deno.copyFile(from, temporary);
  await Deno.chmod(temporary, 0o755);
  await Deno.rename(temporary, to);
}

export async function makeFolder(path: string): Promise<void> {
  const above = dirname(path);
  const isThere = await Deno.stat(path).then(() => true, () => false);
  if (isThere) return;
  if (above !== path) await makeFolder(above);
  await Deno.mkdir(path);
  await Deno.chmod(path, 0o755);
}

/** @param names of entries in `folder` */
export async function archive(
  folder: string,
  names: readonly string[],
  file: string,
  epoch: number,
): Promise<void> {
  const tar = ["--sort=name", `--mtime=@${epoch}`, "--owner=0", "--group=0", "--numeric-owner"];
  const temporary = `${file}.tar`;
  await run("tar", [...tar, "--format=ustar", "-C", folder, "-cf", temporary, ...names]);
  await run("gzip", ["-9nf", temporary]);
  await Deno.rename(`${temporary}.gz`, file);
}

export async function compress(path: string): Promise<void> {
  await run("gzip", ["-9nf", path]);
}

/** Bytes below a folder, in KiB, each file rounded up. */
export async function kibibytes(folder: string): Promise<number> {
  let sum = 0;
  for await (const entry of Deno.readDir(folder)) {
    const path = join(folder, entry.name);
    sum += entry.isDirectory
      ? 1 + await kibibytes(path)
      : Math.ceil((await Deno.lstat(path)).size / 1024);
  }
  return sum;
}
