/** Whose page it is: what was there of one person is gone when the server says that a token is another's. */

import { beforeEach, expect, test, vi } from "vitest";

interface Said {
  phase: string;
  userId?: string;
  account?: string | null;
}

const clients: FakeClient[] = [];

class FakeClient {
  connection: Said = { phase: "connecting" };
  #listeners: (() => void)[] = [];

  subscribe(listener: () => void): void {
    this.#listeners.push(listener);
  }

  says(connection: Said): void {
    this.connection = connection;
    for (const listener of this.#listeners) listener();
  }

  authenticate(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.connection = { phase: "closed" };
  }
}

vi.mock("@interlock/client", () => ({
  tokenIn: (address: string) => /#token=(.*)$/.exec(address)?.[1],
  connect: () => {
    const client = new FakeClient();
    clients.push(client);
    return client;
  },
}));

const { Session } = await import("../../src/session/session.ts");

function live(userId: string, account: string | null = null): void {
  clients.at(-1)?.says({ phase: "live", userId, account });
}

function linked(token: string): void {
  const [page] = location.href.split("#");
  dispatchEvent(new HashChangeEvent("hashchange", { oldURL: `${page}#/`, newURL: `${page}#token=${token}` }));
}

function signedIn(userId: string): { session: InstanceType<typeof Session>; left: () => number } {
  sessionStorage.setItem("interlock.token", "hers");
  const session = new Session();
  const leave = vi.fn();
  session.whenAnotherComes = leave;
  live(userId);
  return { session, left: () => leave.mock.calls.length };
}

beforeEach(() => {
  sessionStorage.clear();
  localStorage.clear();
});

test("a link with another user's token has the former one's page forgotten, once the server says whose it is", () => {
  const { session, left } = signedIn("ada");
  const { person } = session.read();
  linked("his");
  expect(left()).toBe(0);
  live("bob");
  expect(left()).toBe(1);
  expect(session.read().person).toBe(person + 1);
});

test("the same name in another account is another person", () => {
  const { left } = signedIn("ada");
  linked("other");
  live("ada", "acme");
  expect(left()).toBe(1);
});

test("a fresh token of the same person, and a reconnect, keep the page as it is", () => {
  const { session, left } = signedIn("ada");
  const { person } = session.read();
  linked("hers-again");
  live("ada");
  clients.at(-1)?.says({ phase: "offline" });
  live("ada");
  expect([left(), session.read().person]).toEqual([0, person]);
});

test("a refused link says of nobody that they have come", () => {
  const { left } = signedIn("ada");
  linked("wrong");
  clients.at(-1)?.says({ phase: "offline" });
  expect(left()).toBe(0);
});

test("who comes by a link after the page was loaded anew is told from whoever was there before", () => {
  signedIn("ada");
  const { left } = signedIn("bob");
  expect(left()).toBe(1);
});

test("who signs in after somebody signed out finds nothing to forget", () => {
  const { session } = signedIn("ada");
  session.signOut();
  const { left } = signedIn("bob");
  expect(left()).toBe(0);
});
