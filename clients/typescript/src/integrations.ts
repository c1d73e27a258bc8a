/**
 * Integrations: credentials for outside services that workflows on the server use.
 *
 * Law: a credential goes to the server, and never comes back.
 */

import type { JsonValue } from "./protocol.js";
import { path, type Rest } from "./rest.js";

/** How a request says who asks. */
export interface ProviderAuth {
  type: "none" | "api_key" | "bearer" | "basic" | "oauth2_client_credentials" | "oauth2_refresh_token";
  place?: "header" | "query";
  name?: string;
  token_url?: string | null;
  scope?: string;
  /** Where people are asked in a browser; see `connect`. */
  authorize_url?: string | null;
  authorize_params?: Record<string, string>;
}

/** An outside service. What it leaves out, each integration states. */
export interface ProviderInfo {
  name: string;
  built_in: boolean;
  title: string | null;
  base_url: string | null;
  auth: ProviderAuth | null;
}

/** A credential for a provider, without it. */
export interface IntegrationInfo {
  name: string;
  namespace: string | null;
  provider: string;
  base_url: string;
  auth: ProviderAuth["type"];
  /** Which workflows may use it; `*` is all of them. */
  workflows: string[];
  created_at: string | null;
  updated_at: string | null;
  updated_by: string | null;
}

/** What makes an integration. */
export interface NewIntegration {
  name: string;
  provider: string;
  credentials?: Record<string, string>;
  /** For a provider that leaves it to its integrations. */
  baseUrl?: string;
  /** For a provider that leaves it to its integrations. */
  auth?: ProviderAuth;
  /** Which workflows may use it; by default all. */
  workflows?: string[];
}

/** The integrations of this user's account, or of a namespace that they own; `Client.integrations`. */
export class Integrations {
  readonly #rest: Rest;

  /** @internal */
  constructor(rest: Rest) {
    this.#rest = rest;
  }

  /** The outside services that integrations can be made for. */
  async providers(): Promise<ProviderInfo[]> {
    const found: { providers: ProviderInfo[] } = await this.#rest.send({ method: "GET", path: path("providers") });
    return found.providers;
  }

  /** The integrations, in the order of their names. */
  async list(namespace?: string): Promise<IntegrationInfo[]> {
    const found: { integrations: IntegrationInfo[] } = await this.#rest.send({
      method: "GET",
      path: path("integrations"),
      query: { namespace },
    });
    return found.integrations;
  }

  /**
   * Keeps a credential, or replaces one, if its provider accepts it. Rejects with `credential_not_accepted`;
   * `invalid_request`, if it doesn't fit its provider; `no_secrets_key`.
   */
  create(asked: NewIntegration, namespace?: string): Promise<IntegrationInfo> {
    return this.#rest.send({ method: "POST", path: path("integrations"), query: { namespace }, body: body(asked) });
  }

  /**
   * Has the person in front of this browser agree at the provider: resolves to where the page has to go, and the web app
   * is opened afterwards. Only in a page of the server's own origin: it is given a cookie for the way back.
   */
  async connect(asked: NewIntegration, namespace?: string): Promise<string> {
    const made: { url: string } = await this.#rest.send({
      method: "POST",
      path: path("integrations", "connect"),
      query: { namespace },
      body: body(asked),
    });
    return made.url;
  }

  /** Asks the provider again. Rejects with `credential_not_accepted`; `integration_not_found`. */
  async test(name: string, namespace?: string): Promise<void> {
    await this.#rest.send({ method: "POST", path: path("integrations", name, "test"), query: { namespace } });
  }

  /** Deletes an integration. With its provider, the credential is as it was. */
  delete(name: string, namespace?: string): Promise<void> {
    return this.#rest.send({ method: "DELETE", path: path("integrations", name), query: { namespace } });
  }
}

function body({ baseUrl, ...asked }: NewIntegration): JsonValue {
  const made: Record<string, unknown> = { ...asked, ...(baseUrl === undefined ? {} : { base_url: baseUrl }) };
  return made as JsonValue;
}
