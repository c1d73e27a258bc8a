/** Integrations in words, and what their forms ask for. Pure. */

import type { IntegrationInfo, NewIntegration, ProviderAuth, ProviderInfo } from "@interlock/client";

type AuthType = ProviderAuth["type"];

/** One field of a credential. */
export interface CredentialField {
  name: string;
  label: string;
  isSecret: boolean;
}

const USERNAME: CredentialField = { name: "username", label: "User name", isSecret: false };
const CLIENT: readonly CredentialField[] = [
  { name: "client_id", label: "Client id", isSecret: false },
  { name: "client_secret", label: "Client secret", isSecret: true },
];

const FIELDS: Record<AuthType, readonly CredentialField[]> = {
  none: [],
  api_key: [{ name: "key", label: "Key", isSecret: true }],
  bearer: [{ name: "token", label: "Token", isSecret: true }],
  basic: [USERNAME, { name: "password", label: "Password", isSecret: true }],
  oauth2_client_credentials: CLIENT,
  oauth2_refresh_token: [...CLIENT, { name: "refresh_token", label: "Refresh token", isSecret: true }],
};

const WORDS: Record<AuthType, string> = {
  none: "No credential",
  api_key: "A key",
  bearer: "A token",
  basic: "User name and password",
  oauth2_client_credentials: "OAuth 2, as a program",
  oauth2_refresh_token: "OAuth 2, for a person",
};

/** The ways in which a service can be told who asks that need nothing more said of them. */
export const SIMPLE: readonly AuthType[] = ["bearer", "basic", "api_key", "none"];

/** A way of authenticating in words. */
export function wordOf(type: AuthType): string {
  return WORDS[type];
}

/** Whether a person can agree to it at the provider. */
export function canConnect(provider: Pick<ProviderInfo, "auth">): boolean {
  return provider.auth?.type === "oauth2_refresh_token" && Boolean(provider.auth.authorize_url);
}

/** What the form asks for: without the refresh token where connecting gets it. */
export function fieldsOf(type: AuthType, connects: boolean): readonly CredentialField[] {
  return FIELDS[type].filter(({ name }) => !(connects && name === "refresh_token"));
}

/** What was filled in. */
export interface Filled {
  name: string;
  baseUrl: string;
  type: AuthType;
  credentials: Readonly<Record<string, string>>;
}

/** What the server is asked for. */
export function askedFor(provider: ProviderInfo, filled: Filled, connects: boolean): NewIntegration {
  const names = fieldsOf(filled.type, connects).map((field) => field.name);
  return {
    name: filled.name.trim(),
    provider: provider.name,
    credentials: Object.fromEntries(names.map((name) => [name, filled.credentials[name] ?? ""])),
    ...(provider.base_url === null || filled.baseUrl.trim() !== "" ? { baseUrl: filled.baseUrl.trim() } : {}),
    ...(provider.auth === null ? { auth: { type: filled.type } } : {}),
  };
}

/** Whether all is there that is needed. */
export function isComplete(provider: ProviderInfo, filled: Filled, connects: boolean): boolean {
  const asked = askedFor(provider, filled, connects);
  const hasAddress = provider.base_url !== null || asked.baseUrl !== "";
  return asked.name !== "" && hasAddress && Object.values(asked.credentials ?? {}).every((each) => each !== "");
}

const FAULTS: Readonly<Record<string, string>> = {
  stale: "This isn’t the browser that was sent to the provider, or it took more than ten minutes. Connect once more.",
  denied: "Nobody agreed at the provider. Nothing was changed.",
  away: "The provider can’t be asked at the moment. Connect once more in a while.",
  not_accepted:
    "The provider doesn’t accept what it gave, or gives no refresh token: its scope may need offline access.",
  unavailable: "The server can’t keep it at the moment. Connect once more in a while.",
};

/** What became of somebody who comes back from a provider; null if nobody does. */
export function cameBack(search: string): { connected: string } | { fault: string } | null {
  const said = new URLSearchParams(search);
  const connected = said.get("connected");
  const fault = said.get("fault");
  if (connected !== null) return { connected };
  return fault === null ? null : { fault: FAULTS[fault] ?? "It wasn’t connected." };
}

/** Who may use it. */
export function usersOf({ workflows }: Pick<IntegrationInfo, "workflows">): string {
  return workflows.includes("*") ? "All workflows" : workflows.join(", ");
}
