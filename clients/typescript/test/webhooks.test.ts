/** Webhooks over HTTP: what is sent, and what comes back of it. */

import { expect, it } from "vitest";
import { Rest } from "../src/rest.js";
import { Tokens } from "../src/tokens.js";
import { Webhooks } from "../src/webhooks.js";
import { Api, data } from "./support/api.js";

const SUBSCRIPTION = { id: "whsub_1", url: "https://a.example/hook", events: ["workflow.instance.halted"] };
const DELIVERY = { id: "del_1", subscription_id: "whsub_1", event: "workflow.instance.halted", status: "pending" };

it("subscriptions are made, listed page after page, changed, rotated and deleted", async () => {
  const api = await Api.started();
  const webhooks = new Webhooks(new Rest(api.url, new Tokens("abc")));
  const page = (cursor: string | null) => ({
    subscriptions: [SUBSCRIPTION],
    pagination: { has_more: cursor !== null, next_cursor: cursor },
  });
  api.next.push(data({ ...SUBSCRIPTION, secret: "whsec_x" }), data(page("more")), data(page(null)));
  api.next.push(data(SUBSCRIPTION), data(SUBSCRIPTION), data(SUBSCRIPTION), { status: 204, body: "" });
  const options = { namespaceFilter: "user_123", idempotencyKey: "once" };
  expect(await webhooks.subscribe(SUBSCRIPTION.url, SUBSCRIPTION.events, options)).toHaveProperty("secret", "whsec_x");
  expect(await webhooks.list()).toHaveLength(2);
  await webhooks.change("whsub_1", { status: "disabled" });
  await webhooks.rotate("whsub_1");
  await webhooks.confirm("whsub_1");
  await webhooks.delete("whsub_1");
  expect(api.received[0]?.headers).toHaveProperty("idempotency-key", "once");
  expect(api.received.map(({ method, path, query, body }) => [`${method} ${path} ${query}`, body])).toEqual([
    [
      "POST /api/v1/webhooks/subscriptions ",
      { url: SUBSCRIPTION.url, events: SUBSCRIPTION.events, namespace_filter: "user_123" },
    ],
    ["GET /api/v1/webhooks/subscriptions limit=100", undefined],
    ["GET /api/v1/webhooks/subscriptions limit=100&cursor=more", undefined],
    ["PATCH /api/v1/webhooks/subscriptions/whsub_1 ", { status: "disabled" }],
    ["POST /api/v1/webhooks/subscriptions/whsub_1/rotate ", {}],
    ["POST /api/v1/webhooks/subscriptions/whsub_1/rotate/confirm ", {}],
    ["DELETE /api/v1/webhooks/subscriptions/whsub_1 ", undefined],
  ]);
});

it("deliveries are listed by what is asked for, and replayed, one or all since a time", async () => {
  const api = await Api.started();
  const webhooks = new Webhooks(new Rest(api.url, new Tokens("abc")));
  const page = { deliveries: [DELIVERY], pagination: { has_more: false, next_cursor: null } };
  api.next.push(data(DELIVERY), data(page), data(DELIVERY), data(DELIVERY), data({ replayed: 3 }));
  await webhooks.test("whsub_1");
  expect(await webhooks.deliveries("whsub_1", { status: "dead", instanceId: "inst_1" })).toEqual(page);
  await webhooks.delivery("del_1");
  await webhooks.replay("del_1");
  expect(await webhooks.replaySince("whsub_1", "2026-01-20T12:00:00Z")).toBe(3);
  expect(api.received.map(({ method, path, query }) => `${method} ${path} ${query}`)).toEqual([
    "POST /api/v1/webhooks/subscriptions/whsub_1/test ",
    "GET /api/v1/webhooks/subscriptions/whsub_1/deliveries status=dead&instance_id=inst_1",
    "GET /api/v1/webhooks/deliveries/del_1 ",
    "POST /api/v1/webhooks/deliveries/del_1/replay ",
    "POST /api/v1/webhooks/subscriptions/whsub_1/replay since=2026-01-20T12%3A00%3A00Z",
  ]);
});
