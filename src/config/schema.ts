/** The JSON Schema of the configuration file, made from the option table. Pure. */
import { COMMAND_KEY, FRONT_KEY, SCHEMA_KEY } from "./file_values.ts";
import { FRONT_KEYS } from "./front/settings.ts";
import { defaultRaw, fileKey, type Option, OPTIONS, variableOf } from "./options.ts";
import type { ReloadTime } from "./option_makers.ts";

/** The newest draft that the editors' TOML servers know. */
const DRAFT = "http://json-schema.org/draft-07/schema#";

const WHEN: Readonly<Record<ReloadTime, string>> = {
  "at once": "A reload applies another value at once.",
  "next generation": "A reload gives another value to the new generation.",
  restart: "Another value counts from the next start or upgrade of baton on.",
};

/** @returns what an editor checks and completes baton.toml and baton.json with */
export function configSchema(): Record<string, unknown> {
  const options = OPTIONS.map((option) => {
    const key = fileKey(option.flag);
    return [key, key === FRONT_KEY ? frontSchema(option) : optionSchema(option)];
  });
  return {
    $schema: DRAFT,
    title: "baton.toml",
    description: "Options of 'baton run' (docs/options.md).",
    type: "object",
    additionalProperties: false,
    properties: {
      [SCHEMA_KEY]: { type: "string", description: "Names this schema, for editors of JSON." },
      [COMMAND_KEY]: {
        type: "array",
        items: { type: "string" },
        minItems: 1,
        description: "Program and arguments of the server. " + WHEN["next generation"],
      },
      ...Object.fromEntries(options),
    },
  };
}

function optionSchema(option: Option): Record<string, unknown> {
  const { help, limits, json, flag, reload } = option;
  const byDefault = defaultRaw(option);
  return {
    description: [help, limits, WHEN[reload], `--${flag}, ${variableOf(flag)}.`]
      .filter((text) => text !== undefined).join(" "),
    ...byDefault !== null && { default: byDefault },
    ...json ?? { type: "string", minLength: 1 },
  };
}

/** The option, or a table with it as "eds" and with all that `baton init envoy` makes a front of. */
function frontSchema(option: Option): Record<string, unknown> {
  const { description, default: _, ...shape } = optionSchema(option);
  const keys = FRONT_KEYS.map(({ key, value }) => {
    const byDefault = defaultRaw(value);
    const text = [value.help, value.limits].filter((each) => each !== undefined).join(" ");
    return [key, {
      description: text,
      ...byDefault !== null && { default: byDefault },
      ...value.json,
    }];
  });
  const table = {
    type: "object",
    additionalProperties: false,
    properties: { eds: shape, ...Object.fromEntries(keys) },
  };
  return { description, anyOf: [shape, table] };
}
