/** Webhooks in words. */

import { expect, it } from "vitest";
import type { Subscription } from "@interlock/client";
import { deliveryNote, EVENTS, eventsOf, stateOf } from "../../src/webhooks/words.ts";

const ACTIVE: Subscription = {
  id: "whsub_1",
  url: "https://a.example/",
  events: EVENTS.map(({ event }) => event),
  namespace_filter: null,
  description: null,
  status: "active",
  disabled_because: null,
  resting: false,
  failures: 0,
  failing_since: null,
  last_success_at: null,
  rotating_until: null,
  created_at: "2026-01-20T12:00:00Z",
  updated_at: "2026-01-20T12:00:00Z",
};

it("says how a subscription is, and why", () => {
  expect(stateOf(ACTIVE)).toEqual({ word: "Active", tone: "good", why: null });
  expect(stateOf({ ...ACTIVE, failures: 1 }).why).toBe("The last attempt failed.");
  expect(stateOf({ ...ACTIVE, failures: 12, resting: true })).toMatchObject({ word: "Resting", tone: "ask" });
  const disabled = { ...ACTIVE, status: "disabled" as const };
  expect(stateOf({ ...disabled, disabled_because: "asked" }).word).toBe("Paused");
  expect(stateOf({ ...disabled, disabled_because: "gone" }).why).toContain("410");
  expect(stateOf({ ...disabled, disabled_because: "failing" }).why).toContain("three days");
});

it("names events shortly, and all of them at once", () => {
  expect(eventsOf(ACTIVE)).toBe("All events");
  expect(eventsOf({ events: ["workflow.instance.halted", "webhook.test"] })).toBe("halted, webhook.test");
});

it("says why a delivery isn't on its way", () => {
  const delivery = {
    id: "del_1",
    subscription_id: "whsub_1",
    event: "workflow.instance.halted",
    status: "pending" as const,
    instance_id: "inst_1",
    namespace: "shop",
    sequence: 2,
    attempts: [],
    next_attempt_at: null,
    created_at: "2026-01-20T12:00:00Z",
  };
  expect(deliveryNote(delivery)).toContain("earlier event");
  expect(deliveryNote({ ...delivery, next_attempt_at: "2026-01-20T12:00:00Z" })).toBeNull();
  expect(deliveryNote({ ...delivery, status: "dropped" })).toContain("might not read");
});
