/** An error that a command ends with: a status, one line that names the thing, one with the remedy. */
export class CommandError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly remedy: string | null = null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
