/** Waiting on conditions, with a deadline. */

/** How long something that has to happen may take, in milliseconds, before it counts as not happening. */
export const PATIENCE = 90_000;

/** Waits until `condition` gives something true, and returns it. */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  what: string | (() => string),
): Promise<NonNullable<T>> {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const outcome = await condition();
    if (outcome) return outcome;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${typeof what === "string" ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** What `promise` comes to, unless it takes too long. */
export async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What `promise` is refused with. */
export async function refused(promise: Promise<unknown>): Promise<unknown> {
  return soon(
    promise.then(
      () => Promise.reject(new Error("it wasn't refused")),
      (error: unknown) => error,
    ),
    "a refusal",
  );
}
