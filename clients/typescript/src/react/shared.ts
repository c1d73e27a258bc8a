/**
 * What several components of a page use together: a run that is followed, a list that is live.
 *
 * Laws:
 * - It begins with the first component that uses it, and ends a moment after the last one: React mounts a component twice
 *   to try it, and a page that is left may be come back to.
 * - What nobody uses any more, and isn't good for who comes next, ends at once.
 * - What the program follows itself is never ended here.
 */

import type { Client } from "../client.js";

const LINGER_MS = 1000;

interface Held<T> {
  value: T;
  users: number;
  ending: ReturnType<typeof setTimeout> | undefined;
  end: (value: T) => void;
}

const held = new WeakMap<Client, Map<string, Held<unknown>>>();

function of(client: Client): Map<string, Held<unknown>> {
  const found = held.get(client) ?? new Map<string, Held<unknown>>();
  held.set(client, found);
  return found;
}

/** What is shared under `key`, if it has begun. */
export function peek(client: Client, key: string): unknown {
  return held.get(client)?.get(key)?.value;
}

/** What is shared: how it begins and ends. `check` throws where what began for others isn't good for who comes now. */
export interface Sharing<T> {
  begin: () => T;
  check?: (value: T) => void;
  end: (value: T) => void;
}

/** Uses what is shared under `key`. Returns it, and what ends the use. Throws what `begin` and `check` throw. */
export function share<T>(client: Client, key: string, sharing: Sharing<T>): [T, () => void] {
  const all = of(client);
  const found = usable(all.get(key) as Held<T> | undefined, sharing) ?? begun(sharing);
  all.set(key, found as Held<unknown>);
  clearTimeout(found.ending);
  found.users += 1;
  return [found.value, () => release(all, key, found)];
}

function begun<T>({ begin, end }: Sharing<T>): Held<T> {
  return { value: begin(), users: 0, ending: undefined, end };
}

function usable<T>(found: Held<T> | undefined, { check }: Sharing<T>): Held<T> | undefined {
  if (found === undefined) return undefined;
  try {
    check?.(found.value);
    return found;
  } catch (error) {
    if (found.users > 0) throw error;
    clearTimeout(found.ending);
    found.end(found.value);
    return undefined;
  }
}

function release<T>(all: Map<string, Held<unknown>>, key: string, shared: Held<T>): void {
  shared.users -= 1;
  if (shared.users > 0) return;
  shared.ending = setTimeout(() => {
    all.delete(key);
    shared.end(shared.value);
  }, LINGER_MS);
}
