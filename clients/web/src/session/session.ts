/**
 * Who uses this page: the token, where it is kept, and the client that has it.
 *
 * Laws:
 * - A token is in `sessionStorage`, or in `localStorage` when the person wants to stay signed in, and nowhere else: it is
 *   taken out of the address before anything is drawn.
 * - A token that ran out is asked for again while the page stays as it is. Only where none was ever accepted, or after
 *   signing out, there is no page behind the question.
 * - Nobody is asked while another token is at hand: one that is given, here or in another tab, goes to the client at once,
 *   and where that of a link was refused, one that is kept.
 * - Who doesn't want to give another one yet isn't asked again before the old one has run out.
 * - Where a token is another person's than the one before, nothing of that one stays: who says so is the server.
 * - Whoever signed in with a password or an identity provider has a session on the server (`account.ts`): their tokens are in memory only, and the
 *   next one is got without asking anybody, until the session has ended. A token that is given goes before that.
 */

import { endSession, nextToken, type Lent } from "./account.ts";
import { cameBack } from "./provider.ts";
import { connect, tokenIn, type Client, type TokenReason } from "@interlock/client";

/** Why a token is asked for: there is none, it was refused, it has run out, or it will soon. */
export type Asking = "none" | "refused" | "expired" | "expiring";

/** What the page shows of the session. */
export interface SessionState {
  /** Null while nobody is signed in. */
  readonly client: Client | null;
  readonly token: string | null;
  readonly asking: Asking | null;
  /** Counts the people who came, one after the other: what is on the page is one's own. */
  readonly person: number;
}

const KEY = "interlock.token";
/** Whether there may be a session on the server: nothing that anybody could use. */
const HAS_SESSION = "interlock.session";
/** How much longer, in milliseconds, a token has to count for it to be used for another connection. */
const SPARE_MS = 30_000;
/** Who was the last to be signed in in this tab, as the server says it. */
const WHO = "interlock.user";
/** How many events of a run the page keeps at least; the run page lists them. */
const KEPT_EVENTS = 200_000;

/** The path of the server that this page came from; it may be below another one's. */
export const base = new URL(".", globalThis.location.href).pathname;

/** The session of this page. */
export class Session {
  #state: SessionState = { client: null, token: null, asking: "none", person: 0 };
  #accepted = false;
  /** The token of the session on the server; null where there is none, or the token was given by hand. */
  #lent: Lent | null = null;
  /** The token that was still to be used when somebody was asked for another. */
  #postponed: string | null = null;
  readonly #listeners = new Set<() => void>();
  /** Why the identity provider, from which the browser has just come back, signed nobody in. */
  readonly fault: string | null;
  /** What is called when another person comes, before anything is drawn for them. */
  whenAnotherComes: () => void = () => undefined;

  /** Begins with the token of the address, or one that is kept. */
  constructor() {
    const { isSignedIn, fault } = cameBack();
    this.fault = fault;
    if (isSignedIn) this.#forgetToken();
    if (isSignedIn) localStorage.setItem(HAS_SESSION, "1");
    const given = tokenOfAddress();
    if (given !== null) sessionStorage.setItem(KEY, given);
    const token = given ?? sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
    if (token !== null) this.#begin(token);
    else if (localStorage.getItem(HAS_SESSION) !== null) void this.#resume();
    addEventListener("hashchange", ({ oldURL, newURL }) => this.#linked(oldURL, newURL));
    addEventListener("storage", (event) => event.key === KEY && this.#keptElsewhere(event.newValue));
  }

  readonly read = (): SessionState => this.#state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Signs in with the first token of a session on the server. */
  enter(lent: Lent): void {
    this.#forgetToken();
    localStorage.setItem(HAS_SESSION, "1");
    this.#lent = lent;
    this.#use(lent.token);
  }

  /** Signs in, or goes on with a new token. */
  give(token: string, stay: boolean): void {
    this.#lent = null;
    sessionStorage.setItem(KEY, token);
    if (stay) localStorage.setItem(KEY, token);
    else localStorage.removeItem(KEY);
    this.#use(token);
  }

  /** Forgets the token, here and on the device. */
  signOut(): void {
    this.#forgetToken();
    sessionStorage.removeItem(WHO);
    if (localStorage.getItem(HAS_SESSION) !== null) void endSession();
    localStorage.removeItem(HAS_SESSION);
    this.#lent = null;
    this.#end(null);
  }

  #forgetToken(): void {
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
  }

  /** The person doesn't want to give another token now; the old one is good for a while. */
  later(): void {
    if (this.#state.asking !== "expiring") return;
    this.#postponed = this.#state.token;
    this.#set({ asking: null });
  }

  /** Goes on with the session that the server may have of this browser. */
  async #resume(): Promise<void> {
    const lent = await nextToken().catch(() => null);
    if (this.#state.client !== null) return;
    if (lent === null) return;
    this.#lent = lent;
    this.#begin(lent.token);
  }

  /** The next token of the session on the server; null where that has ended. Rejects where it can't be asked. */
  async #renewed(reason: TokenReason): Promise<string | null> {
    const lent = this.#lent;
    if (reason === "connecting" && lent !== null && lent.until - SPARE_MS > Date.now()) return lent.token;
    const next = await nextToken();
    if (this.#lent !== lent) return this.#state.token;
    this.#lent = next;
    if (next === null) localStorage.removeItem(HAS_SESSION);
    else this.#set({ token: next.token, asking: null });
    return next?.token ?? null;
  }

  #begin(token: string): void {
    this.#accepted = false;
    const client = connect(base, { token: (reason) => this.#next(reason), log: KEPT_EVENTS, outbox: sessionStorage });
    this.#set({ client, token, asking: null });
    client.subscribe(() => this.#state.client === client && this.#changed(client));
  }

  #use(token: string): void {
    const { client } = this.#state;
    if (client === null || client.connection.phase === "closed") return this.#begin(token);
    this.#set({ token, asking: null });
    client.authenticate(token).catch(() => this.#state.client === client && this.#set({ asking: "refused" }));
    return undefined;
  }

  /** The token that the client asks for; where a person has to give it, it is handed over later. */
  #next(reason: TokenReason): string | Promise<string> {
    if (this.#lent === null) return this.#asked(reason);
    return this.#renewed(reason).then((token) => token ?? this.#asked(reason === "connecting" ? "expired" : reason));
  }

  /** The token that the page has, or that a person gives. */
  #asked(reason: TokenReason): string | Promise<string> {
    const { token } = this.#state;
    if (reason === "connecting") return token ?? "";
    if (reason === "refused" && !this.#accepted) return "";
    if (reason !== "expiring") {
      this.#set({ asking: reason });
      return new Promise(() => undefined);
    }
    if (token !== this.#postponed) this.#set({ asking: reason });
    throw new Error("there is no newer token yet");
  }

  #changed(client: Client): void {
    const { connection } = client;
    if (connection.phase === "live") {
      this.#accepted = true;
      this.#met(JSON.stringify([connection.account, connection.userId]));
    }
    if (connection.phase !== "closed" || !isAboutToken(connection.error.code)) return;
    if (this.#accepted) this.#set({ asking: "expired" });
    else this.#refused();
  }

  #met(who: string): void {
    const before = sessionStorage.getItem(WHO);
    if (before === who) return;
    sessionStorage.setItem(WHO, who);
    if (before === null) return;
    this.whenAnotherComes();
    this.#set({ person: this.#state.person + 1 });
  }

  #refused(): void {
    const { token } = this.#state;
    if (sessionStorage.getItem(KEY) === token) sessionStorage.removeItem(KEY);
    const kept = localStorage.getItem(KEY);
    if (kept === null || kept === token) this.#end("refused");
    else this.#begin(kept);
  }

  /** A link with a token was opened in this very page, which stays where it is. */
  #linked(before: string, after: string): void {
    const token = tokenIn(after);
    if (token === undefined) return;
    this.#lent = null;
    history.replaceState(null, "", before);
    sessionStorage.setItem(KEY, token);
    const { client, asking } = this.#state;
    if (client === null || asking !== null) return this.#use(token);
    this.#begin(token);
    return client.close();
  }

  #end(asking: Asking | null): void {
    const { client } = this.#state;
    this.#set({ client: null, token: null, asking: asking ?? "none" });
    client?.close();
  }

  #keptElsewhere(token: string | null): void {
    if (token === null) return;
    this.#lent = null;
    if (this.#state.client === null || this.#state.asking !== null) this.#use(token);
  }

  #set(change: Partial<SessionState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }
}

function isAboutToken(code: string): boolean {
  return code === "invalid_token" || code === "expired_token" || code === "auth_required";
}

/** The token in the page's address, which is taken out of it. */
function tokenOfAddress(): string | null {
  const token = tokenIn(location.href);
  if (token === undefined) return null;
  history.replaceState(null, "", `${location.pathname}#/`);
  return token;
}
