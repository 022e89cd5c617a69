/** YAML as Kubernetes reads it (1.1) and as newer readers do (1.2): what the two read differently is refused. */
import { isDeepStrictEqual } from "node:util";
import { parse } from "yaml";

export type Yaml = string | number | boolean | null | Yaml[] | { [key: string]: Yaml };

/** @throws {Error} it cannot be read, has a key twice, or means one thing in YAML 1.1 and another in 1.2 */
export function parseYaml(text: string): Yaml {
  const [older, newer] = (["1.1", "1.2"] as const).map((version) => parse(text, { version }));
  if (!isDeepStrictEqual(older, newer)) {
    throw new Error("YAML 1.1 and 1.2 read it differently: a value needs quotes");
  }
  return newer as Yaml;
}
