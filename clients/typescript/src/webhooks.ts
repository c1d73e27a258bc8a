/**
 * Webhooks: subscriptions to what happens in runs, and what was delivered to them.
 *
 * Laws:
 * - A secret comes back once, from `subscribe` or `rotate`, where the server made it, and never again.
 * - What a receiver gets, it verifies with a library for Standard Webhooks (`standardwebhooks`); nothing here is needed.
 */

import { path, type Rest } from "./rest.js";

/** An address that is told of events. */
export interface Subscription {
  id: string;
  url: string;
  /** Which, such as `workflow.instance.halted`. */
  events: string[];
  /** Of whose runs; null for those of the whole account. */
  namespace_filter: string | null;
  description: string | null;
  status: "active" | "disabled";
  /** `gone`: the receiver answered 410; `failing`: for three days; null while it is active. */
  disabled_because: "asked" | "gone" | "failing" | null;
  /** It is active, but failed so often in a row that it is only probed until one attempt succeeds. */
  resting: boolean;
  /** Attempts that failed, in a row. */
  failures: number;
  failing_since: string | null;
  last_success_at: string | null;
  /** Until when the old secret signs too. */
  rotating_until: string | null;
  created_at: string;
  updated_at: string;
  /** Only where the server has just made it. */
  secret?: string;
}

/** One try to deliver. */
export interface DeliveryAttempt {
  at: string;
  /** The HTTP status; null if there was no answer, and `response` says why. */
  code: number | null;
  duration_ms: number;
  /** The beginning of the answer's body. */
  response: string | null;
}

/** `dead`: all attempts failed. `dropped`: whoever made the subscription might not read the run any more. */
export type DeliveryStatus = "pending" | "delivered" | "dead" | "dropped";

/** One event for one subscription. */
export interface Delivery {
  id: string;
  subscription_id: string;
  event: string;
  status: DeliveryStatus;
  /** Null for a test. */
  instance_id: string | null;
  namespace: string | null;
  /** Its number among those of its run for this subscription, from 1 on. */
  sequence: number;
  attempts: DeliveryAttempt[];
  /** Null if none is due: it was delivered, is dead, or waits for an earlier event of its run. */
  next_attempt_at: string | null;
  created_at: string;
}

/** One page of deliveries, the newest first. */
export interface DeliveryPage {
  deliveries: Delivery[];
  pagination: { has_more: boolean; next_cursor: string | null };
}

/** What a subscription is made with, besides its address and events. */
export interface SubscribeOptions {
  /** What deliveries are signed with, of 32 characters at least; by default the server makes one. */
  secret?: string;
  /** Tells of this namespace only; whoever doesn't own all of the account has to give one. */
  namespaceFilter?: string;
  description?: string;
  /** The same key again, within a day, makes no second one. */
  idempotencyKey?: string;
}

/** What is changed. What is left out stays as it is; `disabled` pauses it. */
export interface SubscriptionChange {
  url?: string;
  events?: string[];
  description?: string;
  status?: "active" | "disabled";
}

/** Which deliveries; what isn't there is no filter. */
export interface DeliveryFilter {
  status?: DeliveryStatus;
  event?: string;
  instanceId?: string;
  /** How many, 100 at most. */
  limit?: number;
  cursor?: string;
}

/** The subscriptions of this user's account, or of the namespaces that they own; `Client.webhooks`. */
export class Webhooks {
  readonly #rest: Rest;

  /** @internal */
  constructor(rest: Rest) {
    this.#rest = rest;
  }

  /** Makes a subscription. Rejects with `invalid_webhook`, if the address can't be one; `forbidden`. */
  subscribe(url: string, events: string[], options: SubscribeOptions = {}): Promise<Subscription> {
    const { secret, namespaceFilter, description, idempotencyKey } = options;
    const body = { url, events, ...given({ secret, namespace_filter: namespaceFilter, description }) };
    return this.#rest.send({
      method: "POST",
      path: at(),
      body,
      ...(idempotencyKey === undefined ? {} : { key: idempotencyKey }),
    });
  }

  /** All subscriptions that this user may manage, the newest first. */
  async list(): Promise<Subscription[]> {
    const found: Subscription[] = [];
    let cursor: string | null = null;
    do {
      const query: Record<string, string | number> = { limit: 100, ...(cursor === null ? {} : { cursor }) };
      const page: SubscriptionPage = await this.#rest.send({ method: "GET", path: at(), query });
      found.push(...page.subscriptions);
      cursor = page.pagination.next_cursor;
    } while (cursor !== null);
    return found;
  }

  /** A subscription. Rejects with `subscription_not_found`. */
  get(id: string): Promise<Subscription> {
    return this.#rest.send({ method: "GET", path: at(id) });
  }

  /** Changes a subscription, pauses it, or lets it go on. Rejects with `invalid_webhook`; `subscription_not_found`. */
  change(id: string, change: SubscriptionChange): Promise<Subscription> {
    return this.#rest.send({ method: "PATCH", path: at(id), body: given({ ...change }), repeatable: true });
  }

  /** Deletes a subscription, and its deliveries. */
  delete(id: string): Promise<void> {
    return this.#rest.send({ method: "DELETE", path: at(id) });
  }

  /**
   * Gives it another secret, `secret` or one that the server makes. For 24 hours the old one signs too, and what has a
   * single signature is still signed with it, until `confirm`.
   */
  rotate(id: string, secret?: string): Promise<Subscription> {
    return this.#rest.send({ method: "POST", path: at(id, "rotate"), body: given({ secret }) });
  }

  /** Ends a rotation: all receivers know the new secret, and the old one signs nothing any more. */
  confirm(id: string): Promise<Subscription> {
    return this.#rest.send({ method: "POST", path: at(id, "rotate", "confirm"), repeatable: true });
  }

  /** Sends a test event; `delivery` tells what became of it. */
  test(id: string): Promise<Delivery> {
    return this.#rest.send({ method: "POST", path: at(id, "test") });
  }

  /** One page of its deliveries, the newest first; `cursor` is the `next_cursor` of the page before. */
  deliveries(id: string, { instanceId, ...filter }: DeliveryFilter = {}): Promise<DeliveryPage> {
    const query = { ...filter, instance_id: instanceId };
    return this.#rest.send({ method: "GET", path: at(id, "deliveries"), query });
  }

  /** A delivery, with its attempts. Rejects with `delivery_not_found`. */
  delivery(id: string): Promise<Delivery> {
    return this.#rest.send({ method: "GET", path: path("webhooks", "deliveries", id) });
  }

  /** Delivers one again, under its own id. Rejects with `delivery_not_found`; `subscription_disabled`. */
  replay(id: string): Promise<Delivery> {
    return this.#rest.send({ method: "POST", path: path("webhooks", "deliveries", id, "replay"), repeatable: true });
  }

  /** Delivers everything again that happened since a time in ISO 8601; resolves to how many there are. */
  async replaySince(id: string, since: string): Promise<number> {
    const query = { since };
    const done: { replayed: number } = await this.#rest.send({
      method: "POST",
      path: at(id, "replay"),
      query,
      repeatable: true,
    });
    return done.replayed;
  }
}

interface SubscriptionPage {
  subscriptions: Subscription[];
  pagination: { has_more: boolean; next_cursor: string | null };
}

function at(...parts: string[]): string {
  return path("webhooks", "subscriptions", ...parts);
}

/** Those that are given. */
function given(fields: Record<string, string | string[] | undefined>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
