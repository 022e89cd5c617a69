/** A registry for `npm install` of packages that were built here: the two answers that it asks for. Loopback only. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import type { AddressInfo } from "node:net";

const BLOCK = 512;
const NAME_BYTES = 100;
const SIZE_AT = 124;
const SIZE_BYTES = 12;

interface Package {
  readonly file: string;
  readonly manifest: { readonly name: string; readonly version: string };
  readonly integrity: string;
}

/** The text of one file of a ustar archive. */
function fileIn(archive: Uint8Array, wanted: string): string {
  const text = (from: number, length: number) =>
    new TextDecoder().decode(archive.subarray(from, from + length)).split("\0")[0] ?? "";
  for (let at = 0; at + BLOCK <= archive.length;) {
    const size = parseInt(text(at + SIZE_AT, SIZE_BYTES), 8) || 0;
    if (text(at, NAME_BYTES) === wanted) return text(at + BLOCK, size);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  throw new Error(`Cannot find ${wanted} in the archive`);
}

function readPackage(file: string): Package {
  const bytes = readFileSync(file);
  const manifest = JSON.parse(fileIn(gunzipSync(bytes), "package/package.json"));
  const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
  return { file, manifest, integrity };
}

export class NpmRegistry implements AsyncDisposable {
  /** What was asked for that it does not have. */
  readonly unknown: string[] = [];
  readonly #packages: readonly Package[];
  readonly #server: Server;

  private constructor(files: readonly string[]) {
    this.#packages = files.map(readPackage);
    this.#server = createServer((request, response) => {
      const path = decodeURIComponent(request.url ?? "/").split("?")[0]!.slice(1);
      const archive = this.#packages.find(({ file }) => path === `-/${basename(file)}`);
      const found = this.#packages.find(({ manifest }) => manifest.name === path);
      if (archive !== undefined) response.end(readFileSync(archive.file));
      else if (found !== undefined) response.end(JSON.stringify(this.#document(found)));
      else {
        this.unknown.push(path);
        response.writeHead(404).end("{}");
      }
    });
  }

  /** @param files archives of packages */
  static async start(files: readonly string[]): Promise<NpmRegistry> {
    const registry = new NpmRegistry(files);
    await new Promise<void>((resolve) => registry.#server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  #document({ file, manifest, integrity }: Package): object {
    const dist = { tarball: `${this.url}-/${basename(file)}`, integrity };
    return {
      name: manifest.name,
      "dist-tags": { latest: manifest.version },
      versions: { [manifest.version]: { ...manifest, dist } },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
