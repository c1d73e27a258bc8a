/**
 * The session of a person with a password: the server keeps it in a cookie that no script can read, and gives a token for
 * an hour at a time.
 *
 * Laws:
 * - The token is in memory only. What is kept on the device is no more than that there may be a session.
 * - A session that has ended is told apart from a server that can't be reached.
 */

import { base } from "./session.ts";

/** What a person signs in with. */
export interface Credentials {
  readonly username: string;
  readonly password: string;
  readonly account: string;
  /** Whether the session outlives the browser's. */
  readonly stay: boolean;
}

/** A token, and until when it counts by this clock. */
export interface Lent {
  readonly token: string;
  readonly until: number;
}

/** Begins a session. Returns its first token, or a sentence that says why there is none. */
export async function beginSession(credentials: Credentials): Promise<Lent | string> {
  const { account, ...rest } = credentials;
  const body = JSON.stringify(account === "" ? rest : { ...rest, account });
  try {
    const answer = await fetch(`${base}session`, { method: "POST", headers: JSON_BODY, body });
    if (answer.ok) return await lent(answer);
    const { error_description: why } = (await answer.json()) as { error_description?: string };
    return why ?? "The server doesn’t sign you in. Try again in a while.";
  } catch {
    return "The server can't be reached. Check the connection, and try again.";
  }
}

/** The next token of the session; null where that has ended. Rejects where the server can't be asked. */
export async function nextToken(): Promise<Lent | null> {
  const answer = await fetch(`${base}session/token`, { method: "POST" });
  if (answer.ok) return lent(answer);
  if (answer.status === 401 || answer.status === 403 || answer.status === 404) return null;
  throw new Error(`the server answers with ${answer.status}`);
}

/** Ends the session. */
export async function endSession(): Promise<void> {
  await fetch(`${base}session`, { method: "DELETE", keepalive: true }).catch(() => undefined);
}

const JSON_BODY = { "Content-Type": "application/json" };

async function lent(answer: Response): Promise<Lent> {
  const { token, expires_in: seconds } = (await answer.json()) as { token: string; expires_in: number };
  return { token, until: Date.now() + seconds * 1000 };
}
