/** Secrets over HTTP: what is sent, and what comes back of it. */

import { expect, it } from "vitest";
import { Rest } from "../src/rest.js";
import { Secrets } from "../src/secrets.js";
import { Tokens } from "../src/tokens.js";
import { Api, data } from "./support/api.js";

const INFO = { name: "KEY", namespace: null, hosts: ["*"], workflows: ["*"], script: false, source: "stored" };

it("secrets are set, listed without their values, and deleted", async () => {
  const api = await Api.started();
  const secrets = new Secrets(new Rest(api.url, new Tokens("abc")));
  api.next.push(data(INFO), data({ secrets: [INFO] }), { status: 204, body: "" });
  expect(await secrets.set("KEY", "a value", { hosts: ["a.example"], namespace: "shop" })).toEqual(INFO);
  expect(await secrets.list()).toEqual([INFO]);
  await secrets.delete("KEY");
  expect(api.received.map(({ method, path, query, body }) => [`${method} ${path} ${query}`, body])).toEqual([
    ["PUT /api/v1/secrets/KEY namespace=shop", { value: "a value", hosts: ["a.example"] }],
    ["GET /api/v1/secrets ", undefined],
    ["DELETE /api/v1/secrets/KEY ", undefined],
  ]);
});
