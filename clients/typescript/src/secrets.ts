/**
 * The secrets of workflows on the server: set, listed without their values, deleted.
 *
 * Law: a value goes to the server, and never comes back.
 */

import { path, type Rest } from "./rest.js";

/** A secret without its value. */
export interface SecretInfo {
  name: string;
  /** Where it may be used; null for the whole account. */
  namespace: string | null;
  /** Where it may be sent; `*` is every host. */
  hosts: string[];
  /** Which workflows may use it; `*` is all of them. */
  workflows: string[];
  /** Whether scripts are given it. */
  script: boolean;
  /** `environment`: it is the operator's. */
  source: "stored" | "environment";
  created_at: string | null;
  updated_at: string | null;
  updated_by: string | null;
}

/** What else a secret has. What is left out stays as it is; of a new secret it is everything, or false. */
export interface SecretOptions {
  hosts?: string[];
  workflows?: string[];
  script?: boolean;
  /** By default it is for the whole account. */
  namespace?: string;
}

/** The secrets of this user's account; `Client.secrets`. */
export class Secrets {
  readonly #rest: Rest;

  /** @internal */
  constructor(rest: Rest) {
    this.#rest = rest;
  }

  /**
   * Stores a secret, or replaces it.
   *
   * Rejects with an `InterlockError`: `invalid_request`, with each wrong field in `details`; `forbidden`;
   * `no_secrets_key`.
   */
  set(name: string, value: string, { namespace, ...fence }: SecretOptions = {}): Promise<SecretInfo> {
    const body = { value, ...fence };
    return this.#rest.send({
      method: "PUT",
      path: path("secrets", name),
      ...within(namespace),
      body,
      repeatable: true,
    });
  }

  /** The account's secrets, or those of one namespace, without their values. */
  list({ namespace }: { namespace?: string } = {}): Promise<SecretInfo[]> {
    return this.#rest.list({ method: "GET", path: path("secrets"), ...within(namespace) }, "secrets");
  }

  /** Deletes a stored secret. Rejects with `secret_not_found`. */
  delete(name: string, { namespace }: { namespace?: string } = {}): Promise<void> {
    return this.#rest.send({ method: "DELETE", path: path("secrets", name), ...within(namespace) });
  }
}

function within(namespace: string | undefined): { query?: Record<string, string> } {
  return namespace === undefined ? {} : { query: { namespace } };
}
