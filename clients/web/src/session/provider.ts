/**
 * Signing in with an identity provider: the browser goes there, and comes back with a session like one by password.
 *
 * Laws:
 * - Only the server says where to go. What came of it stands in the address, which is cleared before anything is drawn.
 * - Of a fault, the address has no more than a code: what is shown are this page's own words.
 */

import { base } from "./session.ts";

/** An identity provider: what it is called, and where a browser signs in with it. */
export interface Provider {
  readonly name: string;
  readonly url: string;
}

/** Where the person was when they left to sign in. */
const PLACE = "interlock.place";
const SIGNED_IN = "signed-in";
const FAULT = "sign-in-fault";
const OTHER = "You weren’t signed in. Try again.";

const SENTENCES: Partial<Record<string, string>> = {
  stale: "Signing in took too long, or began in another window. Try again.",
  denied: "The sign-in was broken off at the identity provider. Try again, or sign in another way.",
  away: "The identity provider can’t be reached at the moment. Try again in a while.",
  not_proven: "What the identity provider answered wasn’t accepted. Tell whoever runs this server.",
  not_allowed: "You may not sign in here at the moment. Ask whoever runs this server.",
  too_often: "Too many sign-ins from your network. Try again in a minute.",
  unavailable: "The server can’t sign anybody in at the moment. Try again in a while.",
};

/** The identity provider of this server; null where it has none, or can't say. */
export async function providerOfServer(): Promise<Provider | null> {
  try {
    const answer = await fetch(`${base}session`);
    return answer.ok ? ((await answer.json()) as { provider: Provider | null }).provider : null;
  } catch {
    return null;
  }
}

/** Leaves this page for the identity provider. */
export function leaveFor(provider: Provider, stay: boolean): void {
  sessionStorage.setItem(PLACE, location.hash);
  location.assign(stay ? `${provider.url}?stay=true` : provider.url);
}

/** Whether the browser has just come back signed in, and otherwise why not; neither where it doesn't come from there. */
export function cameBack(): { isSignedIn: boolean; fault: string | null } {
  const asked = new URLSearchParams(location.search);
  const code = asked.get(FAULT);
  const isSignedIn = asked.has(SIGNED_IN);
  if (isSignedIn || code !== null) {
    const place = sessionStorage.getItem(PLACE) ?? location.hash;
    sessionStorage.removeItem(PLACE);
    history.replaceState(null, "", `${location.pathname}${place}`);
  }
  return { isSignedIn, fault: code === null ? null : (SENTENCES[code] ?? OTHER) };
}
