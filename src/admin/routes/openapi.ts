/**
 * What the API says about itself, made from the routes: the OpenAPI 3.1 document, and Envoy's /help. Schemas become JSON
 * Schema by the library of valibot.
 */
import * as v from "valibot";
import type { Routes, RouteSpec } from "./routes.ts";

const TITLE = "baton admin API";
/** Answers that every route may give: by who may use it (guard.ts), and by what goes wrong (http1.ts). */
const REFUSED = "Refused: no such host, a page of another site, or a read-only address";

export function mountOpenApi(routes: Routes, version: string): void {
  let document: string | null = null;
  routes.add({
    method: "GET",
    path: "/openapi.json",
    summary: "this API as an OpenAPI 3.1 document",
    query: null,
    replies: { 200: { what: "The document", schema: v.looseObject({ openapi: v.string() }) } },
  }, async () => {
    document ??= JSON.stringify(await openApi(routes.specs, version), null, 1);
    return new Response(document, { headers: { "content-type": "application/json" } });
  });

  routes.add({
    method: "GET",
    anyMethod: true,
    path: "/help",
    summary: "print out list of admin commands",
    query: null,
    replies: { 200: { what: "The list", schema: null } },
  }, (_, context) => context.text(helpText(routes.specs)));
}

/** The list of paths as Envoy prints it at /help. */
export function helpText(specs: readonly RouteSpec[]): string {
  const sorted = [...specs].sort((a, b) => a.path < b.path ? -1 : 1);
  const lines = sorted.flatMap(({ path, method, summary, query }) => [
    `  ${path}${method === "POST" ? " (POST)" : ""}: ${summary}`,
    ...Object.entries(query?.entries ?? {}).map(([name, entry]) => {
      const what = describe(entry);
      return `      ${name}${what === null ? "" : `: ${what}`}`;
    }),
  ]);
  return `admin commands are:\n${lines.join("\n")}\n`;
}

function describe(entry: v.GenericSchema): string | null {
  const { wrapped } = entry as { wrapped?: v.GenericSchema };
  return v.getDescription(wrapped ?? entry) ?? null;
}

async function openApi(specs: readonly RouteSpec[], version: string): Promise<object> {
  const { toJsonSchema } = await import("@valibot/to-json-schema");
  const schemaOf = (schema: v.GenericSchema) => {
    const { $schema: _, ...rest } = toJsonSchema(schema, { errorMode: "ignore" });
    return rest;
  };
  const operation = ({ method, path, summary, query, replies }: RouteSpec) => ({
    operationId: `${method.toLowerCase()}${path.replace(/[^a-z0-9]+/gi, "_").replace(/_$/, "")}`,
    summary,
    ...query === null ? {} : { parameters: parametersOf(query, schemaOf) },
    ...method === "POST" ? { security: [{ token: [] }, {}] } : {},
    responses: {
      ...query === null ? {} : { 400: problem("A parameter is wrong") },
      ...Object.fromEntries(
        Object.entries(replies).map(([status, { what, schema, type, also = [] }]) => [status, {
          description: what,
          content: {
            ...Object.fromEntries(also.map((other) => [other, {}])),
            [type ?? (schema === null ? "text/plain" : "application/json")]: {
              schema: schema === null ? { type: "string" } : schemaOf(schema),
            },
          },
        }]),
      ),
      ...method === "POST"
        ? { 401: problem("The token is missing, or is none of this service") }
        : {},
      403: problem(REFUSED),
      414: problem("The path and its parameters are too long"),
    },
  });
  const paths: Record<string, Record<string, object>> = {};
  for (const spec of specs) {
    (paths[spec.path] ??= {})[spec.method.toLowerCase()] = operation(spec);
  }
  return {
    openapi: "3.1.0",
    info: { title: TITLE, version, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/" }],
    paths,
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
  };
}

function parametersOf(
  query: NonNullable<RouteSpec["query"]>,
  schemaOf: (schema: v.GenericSchema) => object,
): object[] {
  return Object.entries(query.entries).map(([name, entry]) => {
    const { wrapped } = entry as { wrapped?: v.GenericSchema };
    const what = describe(entry);
    return {
      name,
      in: "query",
      required: wrapped === undefined,
      schema: schemaOf(wrapped ?? entry),
      ...what === null ? {} : { description: what },
    };
  });
}

function problem(what: string): object {
  const schema = { type: "object", properties: { error: { type: "string" } }, required: ["error"] };
  return { description: what, content: { "application/json": { schema } } };
}
