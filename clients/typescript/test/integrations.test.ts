/** Integrations over HTTP: what is sent, and what comes back of it. */

import { expect, it } from "vitest";
import { Integrations } from "../src/integrations.js";
import { Rest } from "../src/rest.js";
import { Tokens } from "../src/tokens.js";
import { Api, data } from "./support/api.js";

it("integrations are made, listed, connected, tried and deleted, each where it is", async () => {
  const api = await Api.started();
  const integrations = new Integrations(new Rest(api.url, new Tokens("abc")));
  api.next.push(data({ providers: [{ name: "http" }] }), data({ name: "ours" }), data({ integrations: [] }));
  api.next.push(data({ url: "https://a.example/auth" }), data({ accepted: true }), { status: 204, body: "" });
  const asked = { name: "ours", provider: "http", baseUrl: "https://a.example", credentials: { token: "x" } };
  expect(await integrations.providers()).toEqual([{ name: "http" }]);
  expect(await integrations.create(asked, "org_a")).toEqual({ name: "ours" });
  expect(await integrations.list()).toEqual([]);
  expect(await integrations.connect(asked)).toBe("https://a.example/auth");
  await integrations.test("ours", "org_a");
  await integrations.delete("ours");
  const body = { name: "ours", provider: "http", base_url: "https://a.example", credentials: { token: "x" } };
  expect(api.received.map((each) => [`${each.method} ${each.path} ${each.query}`, each.body])).toEqual([
    ["GET /api/v1/providers ", undefined],
    ["POST /api/v1/integrations namespace=org_a", body],
    ["GET /api/v1/integrations ", undefined],
    ["POST /api/v1/integrations/connect ", body],
    ["POST /api/v1/integrations/ours/test namespace=org_a", {}],
    ["DELETE /api/v1/integrations/ours ", undefined],
  ]);
});
