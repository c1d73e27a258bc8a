/** The small parts: addresses, backoff, close codes, tokens, the outbox, decisions, listeners. */

import { describe, expect, it, vi } from "vitest";
import { httpUrl, socketUrl, tokenIn } from "../src/address.js";
import { Backoff } from "../src/backoff.js";
import { closing } from "../src/closing.js";
import { answeredBy, parts } from "../src/decisions.js";
import { InterlockError, refusal } from "../src/errors.js";
import { Listeners } from "../src/listeners.js";
import { Outbox, type Waiting } from "../src/outbox.js";
import { renewalDue, Tokens } from "../src/tokens.js";
import { seeded } from "./support/proxy.js";
import { refused } from "./support/waiting.js";

describe("addresses", () => {
  it.each([
    ["http://127.0.0.1:7777", "ws://127.0.0.1:7777/workflows/ws"],
    ["https://example.org", "wss://example.org/workflows/ws"],
    ["wss://example.org/workflows/ws", "wss://example.org/workflows/ws"],
    ["https://example.org/behind/a/proxy/", "wss://example.org/behind/a/proxy/workflows/ws"],
    ["localhost", "ws://localhost:7777/workflows/ws"],
    ["localhost:80", "ws://localhost/workflows/ws"],
    ["[::1]:99", "ws://[::1]:99/workflows/ws"],
    ["http://127.0.0.1:7777/?token=abc#x", "ws://127.0.0.1:7777/workflows/ws"],
    ["/", "wss://page.example/workflows/ws"],
    ["/prefix", "wss://page.example/prefix/workflows/ws"],
  ])("%s is %s", (address, url) => {
    const page = "https://page.example/some/page?x#y";
    expect(socketUrl(address, page)).toBe(url);
    expect(httpUrl(address, page)).toBe(url.replace(/^ws/, "http").replace("/workflows/ws", ""));
  });

  it.each(["", "a b", "ftp://x", "http://", "http://ada:secret@example.org"])("%j is none, and says so", (address) => {
    expect(() => socketUrl(address, undefined)).toThrow(InterlockError);
    expect(() => socketUrl(address, undefined)).not.toThrow(/secret/);
  });

  it("a token is found in a link", () => {
    expect(tokenIn("http://127.0.0.1:7777/?token=a%2Bb")).toBe("a+b");
    expect(tokenIn("http://127.0.0.1:7777/#token=abc")).toBe("abc");
    expect(tokenIn("http://127.0.0.1:7777/?mytoken=abc")).toBeUndefined();
    expect(tokenIn("http://127.0.0.1:7777/?token=")).toBeUndefined();
  });

  it("a token that was never encoded is taken as it is", () => {
    expect(tokenIn("http://127.0.0.1:7777/#token=100%")).toBe("100%");
  });
});

describe("backoff", () => {
  it("draws from nothing up to a bound that doubles, up to the longest", () => {
    const drawn = [0, 0.5, 0.999];
    for (const random of drawn) {
      const backoff = new Backoff({ first: 100, longest: 1000, random: () => random });
      const delays = Array.from({ length: 6 }, () => backoff.delay());
      expect(delays).toEqual([100, 200, 400, 800, 1000, 1000].map((bound) => bound * random));
    }
  });

  it("progress brings the bound back, and being sent away keeps a distance", () => {
    const backoff = new Backoff({ first: 100, longest: 1000 });
    backoff.sentAway();
    expect(backoff.bound).toBe(800);
    backoff.progressed();
    expect(backoff.bound).toBe(100);
    for (let failures = 0; failures < 2000; failures++) backoff.delay();
    expect(backoff.bound).toBe(1000);
    backoff.sentAway();
    expect(backoff.failures).toBe(2000);
  });

  it("spreads clients that were cut together", () => {
    const random = seeded(1);
    const delays = Array.from({ length: 1000 }, () => new Backoff({ first: 1000, random }).delay());
    expect(delays.filter((delay) => delay < 500).length).toBeGreaterThan(400);
    expect(delays.filter((delay) => delay < 500).length).toBeLessThan(600);
  });
});

it.each([
  [1000, "lost"],
  [1006, "lost"],
  [1009, "final"],
  [3999, "lost"],
  [4000, "final"],
  [4403, "final"],
  [4499, "final"],
  [4500, "away"],
  [4503, "away"],
  [4999, "away"],
] as const)("the close code %i means %s", (code, meaning) => {
  expect(closing(code)).toBe(meaning);
});

describe("tokens", () => {
  it("who asks while one is being fetched gets the same", async () => {
    let asked = 0;
    const tokens = new Tokens(() => Promise.resolve(`token ${++asked}`));
    expect(await Promise.all([tokens.next("connecting"), tokens.next("expired")])).toEqual(["token 1", "token 1"]);
    expect(await tokens.next("expiring")).toBe("token 2");
  });

  it("one that was refused isn't given again", async () => {
    const tokens = new Tokens(() => "same");
    expect(await tokens.next("connecting")).toBe("same");
    expect(await tokens.next("refused")).toBe("");
  });

  it("after three refusals in a row, or where there is only one, it is over", () => {
    const many = new Tokens(() => "x");
    expect([many.refused(), many.refused(), many.refused()]).toEqual([true, true, false]);
    many.accepted("x");
    expect(many.refused()).toBe(true);
    expect(new Tokens("x").refused()).toBe(false);
  });

  it("a new one is due after four fifths of the life of the last", () => {
    const now = Date.parse("2026-01-01T12:00:00Z");
    expect(renewalDue("2026-01-01T12:01:40Z", now)).toBe(80_000);
    expect(renewalDue("2026-01-01T12:00:00.1Z", now)).toBe(500);
    expect([renewalDue(undefined, now), renewalDue("never", now)]).toEqual([undefined, undefined]);
  });

  it("one that was accepted and has expired by this clock tells nothing of when a new one is due", () => {
    expect(renewalDue("2026-01-01T11:00:00Z", Date.parse("2026-01-01T12:00:00Z"))).toBeUndefined();
  });

  it("one that is handed over goes before what is being fetched, and is good for new connections", async () => {
    const tokens = new Tokens(() => new Promise<string>(() => undefined));
    expect(tokens.give("early")).toBe(false);
    expect(await tokens.next("connecting")).toBe("early");
    tokens.accepted("early");
    expect(await tokens.next("connecting")).toBe("early");
    const asked = tokens.next("expired");
    expect(tokens.give("handed over")).toBe(true);
    expect(await asked).toBe("handed over");
    expect(await tokens.next("connecting")).toBe("handed over");
  });

  it("one that is handed over and refused leaves what there was", async () => {
    const tokens = new Tokens("first");
    tokens.give("wrong");
    expect(tokens.withdrawn("wrong")).toBe(true);
    expect(await tokens.next("connecting")).toBe("first");
    expect(tokens.withdrawn("first")).toBe(false);
    const none = new Tokens();
    none.give("wrong");
    expect(none.withdrawn("wrong")).toBe(false);
    expect(none.exist).toBe(false);
  });

  it("one that was handed over is used until a newer one was got", async () => {
    const tokens = new Tokens(() => "newer");
    tokens.give("handed over");
    tokens.accepted("handed over");
    expect(await tokens.next("expiring")).toBe("newer");
    expect(await tokens.next("connecting")).toBe("newer");
  });
});

describe("the outbox", () => {
  const message = (id: string): Waiting["message"] => ({
    action: "cancel-workflow",
    workflow_id: "w",
    run_id: "r",
    idempotency_key: `key ${id}`,
    request_id: id,
  });
  const nothing = () => undefined;
  const ack = (id: string) => ({ event: "ack", action: "cancel-workflow", request_id: id }) as const;

  it("keeps an action, with its key, until it is answered, in order", async () => {
    const outbox = new Outbox(10);
    const sent: string[] = [];
    const send = (waiting: Waiting) =>
      void sent.push(("idempotency_key" in waiting.message ? waiting.message.idempotency_key : null) ?? "");
    const answers = ["1", "2", "3"].map((id) => outbox.add(message(id), nothing, send));
    expect(outbox.acknowledge(ack("2"))).toBe(true);
    expect(await answers[1]).toEqual(ack("2"));
    for (const waiting of outbox.all()) send(waiting);
    expect(sent).toEqual(["key 1", "key 2", "key 3", "key 1", "key 3"]);
    expect(outbox.acknowledge(ack("2"))).toBe(false);
  });

  it("tells what was refused, with the server's reason", async () => {
    const outbox = new Outbox(10);
    const answer = outbox.add(message("1"), nothing, nothing);
    const details = { decision: { confirmed: true }, resolved_by: "bob" };
    outbox.refuse({ event: "error", error: "No.", code: "conflict", retryable: false, request_id: "1", details });
    expect(await refused(answer)).toMatchObject({ code: "conflict", message: "No.", resolvedBy: "bob" });
    expect(outbox.size).toBe(0);
  });

  it("refuses what doesn't fit, and never drops", async () => {
    const outbox = new Outbox(2);
    const answers = ["1", "2", "3"].map((id) => outbox.add(message(id), nothing, nothing));
    expect(await refused(answers[2]!)).toMatchObject({ code: "outbox_full", retryable: true });
    outbox.fail(new InterlockError("closed", "Closed."));
    expect(await refused(answers[0]!)).toMatchObject({ code: "closed" });
    expect(await refused(answers[1]!)).toMatchObject({ code: "closed" });
  });
});

describe("an outbox with a storage", () => {
  const start = (id: string): Waiting["message"] => ({
    action: "start-workflow",
    workflow_id: "w",
    idempotency_key: `key ${id}`,
    request_id: id,
  });
  const nothing = () => undefined;
  const stored = () => {
    const entries = new Map<string, string>();
    const storage = {
      getItem: (key: string) => entries.get(key) ?? null,
      setItem: (key: string, value: string) => void entries.set(key, value),
      removeItem: (key: string) => void entries.delete(key),
    };
    const opened = () => {
      const outbox = new Outbox(10, storage);
      let count = 100;
      outbox.restore(() => String(count++));
      return outbox;
    };
    return { entries, opened };
  };
  const refusedWith = (outbox: Outbox) => {
    const codes: (string | undefined)[] = [];
    outbox.onSettled(({ error }) => codes.push(error?.code));
    return codes;
  };

  it("sends what waited before a reload, under its key, and tells what came of it", () => {
    const { entries, opened } = stored();
    void opened().add(start("1"), nothing, nothing, { note: "chat" });
    const after = opened();
    const [waiting] = after.all();
    expect(waiting?.message).toMatchObject({ idempotency_key: "key 1", request_id: "100" });
    expect(after.waiting).toMatchObject([{ id: "key 1", wasSent: false, isRestored: true, note: "chat" }]);
    const told: (string | undefined)[] = [];
    after.onSettled(({ ack }) => told.push(ack?.run_id));
    after.acknowledge({ event: "ack", action: "start-workflow", request_id: "100", run_id: "r" });
    expect(told).toEqual(["r"]);
    expect(entries.size).toBe(0);
    expect(opened().waiting).toEqual([]);
  });

  it("takes back what was never sent, and nothing else", async () => {
    const { opened } = stored();
    const outbox = opened();
    const [one, two] = [
      outbox.add(start("1"), nothing, nothing),
      outbox.add(start("2"), nothing, (each) => outbox.sent(each)),
    ];
    two.catch(nothing);
    expect([outbox.takeBack("key 1"), outbox.takeBack("key 2"), outbox.takeBack("key 3")]).toEqual([
      true,
      false,
      false,
    ]);
    expect(await refused(one)).toMatchObject({ code: "taken_back" });
    expect(opened().waiting).toMatchObject([{ id: "key 2", wasSent: true }]);
  });

  it("has sent only what the same user made, and what was sent only while its key is known", () => {
    const { opened } = stored();
    const outbox = opened();
    void outbox.add(start("1"), nothing, nothing, { who: "ada" });
    void outbox.add(start("2"), nothing, (each) => outbox.sent(each), { who: "bob" });
    vi.useFakeTimers({ now: Date.now() + 25 * 60 * 60 * 1000 });
    const after = opened();
    const codes = refusedWith(after);
    expect(after.all("bob")).toEqual([]);
    expect(codes).toEqual(["taken_back", "unanswered"]);
    vi.useRealTimers();
  });

  it("keeps what waits for the next client where this one ends, unless it is to be forgotten, or never was to be kept", () => {
    const { entries, opened } = stored();
    const outbox = opened();
    outbox.add(start("1"), nothing, nothing).catch(nothing);
    outbox.add(start("2"), nothing, nothing, { keep: false }).catch(nothing);
    outbox.fail(new InterlockError("closed", "Closed."));
    const after = opened();
    expect(after.waiting.map(({ id }) => id)).toEqual(["key 1"]);
    after.forget();
    expect([after.size, entries.size]).toEqual([0, 0]);
  });

  it.each(["{", "3", '[null, {"action": {}}]'])("takes a storage with %s in it for an empty one", (text) => {
    const { entries, opened } = stored();
    entries.set("interlock:outbox", text);
    expect(opened().waiting).toEqual([]);
  });
});

describe("decisions", () => {
  it("those about steps and those about errors go into their own parts", () => {
    const decided = [
      { id: "a", decision: { confirmed: true } },
      { id: "b", decision: { decision: "retry" } },
      { id: "c", decision: { executor_requirements: [{ id: "c.1", confirmation: true }] } },
    ] as const;
    expect(parts(decided as never)).toEqual({
      step_requirements: [
        { id: "a", confirmed: true },
        { id: "c", executor_requirements: [{ id: "c.1", confirmation: true }] },
      ],
      error_requirements: [{ id: "b", decision: "retry" }],
    });
    expect(decided.map((each) => answeredBy(each as never))).toEqual([["a"], ["b"], ["c.1"]]);
  });
});

describe("errors", () => {
  it("list wrong fields, where there are any", () => {
    const details = [{ field: "step_requirements[0].confirmed", error: "must be true or false" }, "something else"];
    const error = refusal({ event: "error", error: "No.", code: "invalid_decision", retryable: false, details });
    expect(error.fields).toEqual([{ field: "step_requirements[0].confirmed", error: "must be true or false" }]);
    expect([error.decision, error.resolvedBy]).toEqual([undefined, undefined]);
    expect(error).toBeInstanceOf(Error);
  });
});

describe("listeners", () => {
  it("who leaves is told no more, and the same function may listen twice", () => {
    const listeners = new Listeners<[number]>();
    const told: number[] = [];
    const listen = (value: number) => void told.push(value);
    const leave = listeners.add(listen);
    listeners.add(listen);
    listeners.tell(1);
    leave();
    listeners.tell(2);
    expect(told).toEqual([1, 1, 2]);
  });
});
