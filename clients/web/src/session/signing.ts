/** Whether the server takes a token, before anything is built on it. */

import { base } from "./session.ts";

/** Null where it does; otherwise a sentence that says why it doesn't. */
export async function faultOf(token: string): Promise<string | null> {
  try {
    const answer = await fetch(`${base}workflows`, { headers: { Authorization: `Bearer ${token}` } });
    if (answer.status === 401)
      return "The server doesn't accept this token. Check that it is whole, or ask for a new one.";
    if (answer.status === 503) return "The server can't check tokens at the moment. Try again in a while.";
    return null;
  } catch {
    return "The server can't be reached. Check the connection, and try again.";
  }
}
