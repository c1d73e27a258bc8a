/**
 * Where a server is: what people write, and what it means.
 *
 * Laws:
 * - A host alone is enough: scheme, port and path have defaults. In a page, a path alone means the page's own server.
 * - A path that is written is a prefix, unless it ends in `/workflows/ws` already: servers live behind proxies.
 * - A query and a fragment don't belong to an address: the link that the server prints works too, and `tokenIn` reads
 *   its token.
 */

import { misuse } from "./errors.js";

const DEFAULT_PORT = 7777;
const SOCKET_PATH = "/workflows/ws";
const SOCKET_SCHEMES: Readonly<Record<string, string>> = {
  "ws:": "ws:",
  "http:": "ws:",
  "wss:": "wss:",
  "https:": "wss:",
};

/** `ws(s)://HOST[:PORT][/PREFIX]/workflows/ws` for a URL, a bare `host[:port]`, or a path of the page's own server. */
export function socketUrl(address: string, page: string | undefined = pageAddress()): string {
  const url = parsed(address, page);
  const scheme = SOCKET_SCHEMES[url.protocol];
  if (scheme === undefined || url.username !== "" || url.password !== "") throw unusable(address);
  const prefix = url.pathname.replace(/\/+$/, "");
  return `${scheme}//${url.host}${prefix.endsWith(SOCKET_PATH) ? prefix : prefix + SOCKET_PATH}`;
}

/** `http(s)://HOST[:PORT][/PREFIX]`, without a slash at the end, for the same addresses. */
export function httpUrl(address: string, page: string | undefined = pageAddress()): string {
  return socketUrl(address, page).replace(/^ws/, "http").slice(0, -SOCKET_PATH.length);
}

/** The token of a link such as `http://127.0.0.1:7777/?token=…`, or with `#token=…`. */
export function tokenIn(address: string): string | undefined {
  const query = /[?#&]token=([^&#]*)/.exec(address)?.[1];
  if (query === undefined || query === "") return undefined;
  try {
    return decodeURIComponent(query);
  } catch {
    return query; // a link that was cut off, or never encoded
  }
}

function pageAddress(): string | undefined {
  return (globalThis as { location?: Location }).location?.href;
}

function parsed(address: string, page: string | undefined): URL {
  const text = address.trim();
  if (/\s/.test(text) || text === "") throw unusable(address);
  try {
    if (text.includes("://")) return new URL(text);
    if (text.startsWith("/") && page !== undefined) return new URL(text, page);
    const url = new URL(`ws://${text}`);
    if (!/:\d+$/.test(text.split(/[/?#]/)[0] ?? "")) url.port = String(DEFAULT_PORT);
    return url;
  } catch {
    throw unusable(address);
  }
}

function unusable(address: string): Error {
  const shown = address.split("?")[0]?.split("#")[0]?.split("@").at(-1) ?? "";
  return misuse(`'${shown}' isn't the address of a server; write http://127.0.0.1:7777, or a host and a port`);
}
