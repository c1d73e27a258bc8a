/**
 * An OpenID provider for tests, with accounts for everybody: `node provider.mjs PORT REDIRECT_URI…`. Whoever signs in as
 * NAME has the `sub` NAME, and is in the groups `of-NAME` and `staff`.
 */

import console from "node:console";
import process from "node:process";
import Provider from "oidc-provider";

const [port, ...redirects] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "interlock",
      client_secret: "a-secret-of-the-client",
      redirect_uris: redirects,
      grant_types: ["authorization_code", "refresh_token"],
    },
  ],
  claims: {
    openid: ["sub"],
    profile: ["name", "preferred_username", "groups", "kind"],
    email: ["email"],
  },
  conformIdTokenClaims: false,
  cookies: { keys: ["a-key-of-the-cookies"] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, preferred_username: sub, groups: [`of-${sub}`, "staff"], kind: "service" }),
  }),
  issueRefreshToken: () => true,
  pkce: { required: () => true },
  scopes: ["openid", "profile", "email", "offline_access"],
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 3600, IdToken: 3600, Interaction: 600, Session: 3600 },
});

provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
