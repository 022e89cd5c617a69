/**
 * What `baton init compose` prints, read as Docker Compose reads it (the Compose specification): what it is to mean, or
 * an error with what is wrong. Fields that are not read here are a fault.
 */
import assert from "node:assert/strict";
import { parseYaml, type Yaml } from "../yaml.ts";

export interface Release {
  /** Name of the service. */
  readonly name: string;
  readonly image: string;
  /** entrypoint and command. */
  readonly words: readonly string[];
  /** Where the shared volume is. */
  readonly folder: string;
  readonly port: number;
  readonly graceMs: number;
}

type Mapping = { readonly [key: string]: Yaml };

const NETWORK_FIELDS = ["image", "command", "init", "ports", "restart"];
const RELEASE_FIELDS = [
  "image",
  "network_mode",
  "entrypoint",
  "command",
  "restart",
  "stop_signal",
  "stop_grace_period",
  "volumes",
];

/** @param variables what stands for `${NAME}` and `${NAME:?}` @throws {Error} when it is not what it must be */
export function releaseIn(text: string, variables: Record<string, string> = { TAG: "1" }): Release {
  const file = parseYaml(text) as Mapping;
  assert.deepEqual(Object.keys(file), ["services", "volumes"]);
  const services = file["services"] as Record<string, Mapping>;
  const { network, ...others } = services;
  const [[name, release] = assert.fail("no release"), ...more] = Object.entries(others);
  assert.deepEqual(more, []);
  assert.match(name, /^[a-z0-9][a-z0-9-]*$/);
  assert.deepEqual(Object.keys(network!), NETWORK_FIELDS);
  assert.deepEqual(Object.keys(release), RELEASE_FIELDS);
  assert.equal(release["network_mode"], "service:network");
  assert.match(String(release["restart"]), /^on-failure/, "what has handed over stays away");
  assert.equal(release["stop_signal"], "SIGTERM");
  const port = /^(\d+):\1$/.exec(String((network!["ports"] as Yaml[])[0]))?.[1];
  const [, seconds] = /^(\d+)s$/.exec(String(release["stop_grace_period"])) ?? assert.fail();
  const [volume, folder = ""] = String((release["volumes"] as Yaml[])[0]).split(":");
  assert.deepEqual(Object.keys(file["volumes"] as Mapping), [volume]);
  const words = [...release["entrypoint"] as string[], ...release["command"] as string[]];
  return {
    name,
    image: interpolated(String(release["image"]), variables),
    words: words.map((word) => interpolated(word, variables)),
    folder,
    port: Number(port),
    graceMs: Number(seconds) * 1000,
  };
}

function interpolated(text: string, variables: Record<string, string>): string {
  return text.replace(/\$\$|\$\{(\w+)(?::\?[^}]*)?\}|\$(\w+)/g, (all, braced, plain) => {
    if (all === "$$") return "$";
    return variables[braced ?? plain] ?? assert.fail(`no variable ${all}`);
  });
}
