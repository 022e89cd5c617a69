/**
 * The systemd of a newer release for tests, in a folder that is made once: test/support/systemd_tree.sh.
 * One that is named in the environment is used instead.
 */
const VARIABLE = "BATON_TEST_SYSTEMD_TREE";

export interface SystemdTree {
  readonly env: Readonly<Record<string, string>>;
  /** Why there is none, or null. */
  readonly refusal: string | null;
}

/** @param root the repository, with a slash at the end */
export async function systemdTree(root: string): Promise<SystemdTree> {
  const named = Deno.env.get(VARIABLE);
  if (named !== undefined && named !== "") return { env: { [VARIABLE]: named }, refusal: null };
  const none = (refusal: string) => ({ env: {}, refusal });
  if (Deno.uid() !== 0) return none("needs root, for namespaces and a control group");
  const path = `${root}.cache/systemd-next`;
  try {
    const make = new Deno.Command(`${root}test/support/systemd_tree.sh`, { args: [path] });
    const { success, stderr } = await make.output();
    return success
      ? { env: { [VARIABLE]: path }, refusal: null }
      : none(`no newer systemd can be fetched: ${new TextDecoder().decode(stderr).trim()}`);
  } catch (error) {
    return none(
      `no newer systemd can be fetched: ${error instanceof Error ? error.message : error}`,
    );
  }
}
