/**
 * The list of the admin API's routes: each is added with the schema of its query and of its replies, from which follow the
 * check of a request, the refusal of other methods (405), `/help`, and the OpenAPI document. A file beside this one has
 * the routes of one subject, in a function `mount...(routes, parts)`. What is expensive to load, a handler imports.
 */
import { type Context, Hono } from "hono";
import * as v from "valibot";
import { suggest } from "../../config/values/suggest.ts";

/** By which door a request comes: the control socket, whose clients the kernel has checked, or the address of --admin. */
type Door = "control" | "admin";

export interface AdminEnv {
  /** Without a door the rules of --admin hold. */
  readonly Bindings: { readonly door?: Door; readonly client?: () => string };
}

/** The schema of a query. A strict one refuses other parameters. */
type QuerySchema =
  | v.StrictObjectSchema<v.ObjectEntries, undefined>
  | v.ObjectSchema<v.ObjectEntries, undefined>;

interface Reply {
  readonly what: string;
  /** Schema of the body; null: it is a text. */
  readonly schema: v.GenericSchema | null;
  /** Content type. @default JSON with a schema, else plain text */
  readonly type?: string;
  /** Other content types, by what is asked for or wrong. */
  readonly also?: readonly string[];
}

export interface RouteSpec {
  readonly method: "GET" | "POST";
  /** Whether it answers to other methods as well, because it only reads. */
  readonly anyMethod?: true;
  readonly path: string;
  /** One sentence, without a full stop: `/help` has it, too. */
  readonly summary: string;
  /** The parameters: numbers, booleans ("1" and "true") and texts. Null: parameters are ignored. */
  readonly query: QuerySchema | null;
  readonly replies: Readonly<Record<number, Reply>>;
}

type QueryOf<Spec extends RouteSpec> = Spec["query"] extends QuerySchema
  ? v.InferOutput<Spec["query"]>
  : Record<string, never>;

export class Routes {
  readonly app = new Hono<AdminEnv>();
  readonly specs: RouteSpec[] = [];

  add<const Spec extends RouteSpec>(
    spec: Spec,
    handler: (
      query: QueryOf<Spec>,
      context: Context<AdminEnv>,
    ) => Response | Promise<Response>,
  ): void {
    this.specs.push(spec);
    this.app.on(spec.anyMethod ? "ALL" : spec.method, spec.path, async (context) => {
      const { query: schema } = spec;
      if (schema === null) return handler({} as QueryOf<Spec>, context);
      if (schema.type === "strict_object") {
        const error = await unread(context);
        if (error !== null) return context.json({ error }, 400);
      }
      const result = v.safeParse(schema, typed(schema, context.req.query()), { abortEarly: true });
      if (!result.success) {
        return context.json({ error: problem(result.issues[0], Object.keys(schema.entries)) }, 400);
      }
      return handler(result.output as QueryOf<Spec>, context);
    });
  }

  /** To be called after all were added: any other method of their paths is refused. */
  refuseOtherMethods(): void {
    for (const path of new Set(this.specs.map((spec) => spec.path))) {
      const methods = this.specs.filter((spec) => spec.path === path).map(({ method }) => method);
      const allow = methods.flatMap((each) => each === "GET" ? ["GET", "HEAD"] : [each]).join(", ");
      this.app.all(path, (context) => {
        const why = `Method ${context.req.method} not allowed, ${methods.join(" or ")} required.`;
        return context.text(why, 405, { allow });
      });
    }
  }
}

/** @returns what a client has said that would be ignored: "-d canary=10" must be no full reload. Null: nothing */
async function unread({ req }: Context<AdminEnv>): Promise<string | null> {
  const twice = Object.entries(req.queries()).find(([, texts]) => texts.length > 1);
  if (twice !== undefined) return `'${twice[0]}' is given more than once`;
  if (req.method === "GET" || req.method === "HEAD") return null;
  // What clients send that have nothing to say.
  if (["", "{}", "null"].includes((await req.text()).trim())) return null;
  return "parameters belong into the address, as in /v1/reload?canary=10: a body is not read";
}

/** The texts of a query as what the schema expects; what is none of it is left to the schema. */
function typed(schema: QuerySchema, texts: Record<string, string>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [name, typedValue(schema.entries[name], text)]),
  );
}

function typedValue(entry: unknown, text: string): unknown {
  const { type, wrapped } = (entry ?? {}) as { type?: string; wrapped?: unknown };
  if (wrapped !== undefined) return typedValue(wrapped, text);
  if (type === "number" && /^[+-]?\d+(\.\d+)?(e\d+)?$/i.test(text)) return Number(text);
  if (type === "boolean" && ["1", "true"].includes(text)) return true;
  if (type === "boolean" && ["0", "false"].includes(text)) return false;
  return text;
}

/** @param known names of the parameters that there are */
function problem(issue: v.BaseIssue<unknown>, known: readonly string[]): string {
  const name = v.getDotPath(issue);
  if (name === null) return issue.message;
  if (issue.type !== "strict_object") return `'${name}': ${issue.message}`;
  if (known.includes(name)) return `parameter '${name}' is missing`;
  const near = suggest(name, known);
  const names = known.length > 0 ? `it may have ${known.join(", ")}` : "it has none";
  return `'${name}' is no parameter of this request: ` +
    (near === null ? names : `did you mean '${near}'?`);
}
