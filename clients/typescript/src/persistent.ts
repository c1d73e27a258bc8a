/**
 * A list and a dictionary that never change: a change makes a new one, which shares all but a few nodes with the old.
 *
 * Laws:
 * - Whoever holds a list or a dictionary sees it as it was, whatever is made of it.
 * - `push`, `set` and `get` touch one node of at most 32 places on each level, and there is a level for each factor of
 *   32: a run of 100,000 events costs 100,000 times the same.
 * - Reading a range costs its length.
 */

const BITS = 5;
const WIDTH = 1 << BITS;
const MASK = WIDTH - 1;

type Branch<T> = readonly (Branch<T> | readonly T[])[];

/** A list that is only ever added to and replaced in. Made by `List.of()`. */
export class List<T> implements Iterable<T> {
  static readonly #empty = new List<never>(0, [], [], BITS);

  readonly length: number;
  readonly #root: Branch<T>;
  readonly #tail: readonly T[];
  readonly #shift: number;

  private constructor(length: number, root: Branch<T>, tail: readonly T[], shift: number) {
    this.length = length;
    this.#root = root;
    this.#tail = tail;
    this.#shift = shift;
  }

  static of<T>(...items: readonly T[]): List<T> {
    return List.from(items);
  }

  static from<T>(items: Iterable<T>): List<T> {
    let list: List<T> = List.#empty;
    for (const item of items) list = list.push(item);
    return list;
  }

  /** The item at `index`; a negative one counts from the end. */
  at(index: number): T | undefined {
    const place = index < 0 ? this.length + index : index;
    if (place < 0 || place >= this.length) return undefined;
    return this.#leaf(place)[place & MASK];
  }

  /** This list and one more item. */
  push(item: T): List<T> {
    if (this.#tail.length < WIDTH) return new List(this.length + 1, this.#root, [...this.#tail, item], this.#shift);
    const full = this.length >>> BITS > 1 << this.#shift;
    const root = full
      ? [this.#root, lonely(this.#shift, this.#tail)]
      : grown(this.#root, this.#shift, this.length - 1, this.#tail);
    return new List(this.length + 1, root, [item], full ? this.#shift + BITS : this.#shift);
  }

  /** This list with another item at `index`, which has one. */
  with(index: number, item: T): List<T> {
    if (index < 0 || index >= this.length) throw new RangeError(`there is nothing at ${index}`);
    if (index < this.#tailStart) {
      return new List(this.length, replaced(this.#root, this.#shift, index, item), this.#tail, this.#shift);
    }
    const tail = this.#tail.slice();
    tail[index & MASK] = item;
    return new List(this.length, this.#root, tail, this.#shift);
  }

  /** The items from `start` up to, not including, `end`. */
  slice(start = 0, end = this.length): T[] {
    const items: T[] = [];
    const last = Math.min(end, this.length);
    for (let place = Math.max(0, start); place < last;) {
      const stop = Math.min(last, (place | MASK) + 1);
      for (const item of this.#leaf(place).slice(place & MASK, (place & MASK) + stop - place)) items.push(item);
      place = stop;
    }
    return items;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let place = 0; place < this.length; place += WIDTH) yield* this.#leaf(place);
  }

  toJSON(): T[] {
    return this.slice();
  }

  get #tailStart(): number {
    return this.length - this.#tail.length;
  }

  #leaf(place: number): readonly T[] {
    if (place >= this.#tailStart) return this.#tail;
    let node: Branch<T> = this.#root;
    for (let shift = this.#shift; shift > 0; shift -= BITS) node = node[(place >>> shift) & MASK] as Branch<T>;
    return node as unknown as readonly T[];
  }
}

/** A leaf under as many nodes with nothing else as it takes. */
function lonely<T>(shift: number, leaf: readonly T[]): Branch<T> {
  return shift === 0 ? (leaf as unknown as Branch<T>) : [lonely(shift - BITS, leaf)];
}

/** A branch with a leaf more: the one that holds `last`. */
function grown<T>(node: Branch<T>, shift: number, last: number, leaf: readonly T[]): Branch<T> {
  const slot = (last >>> shift) & MASK;
  const child = node[slot] as Branch<T> | undefined;
  const below = shift - BITS;
  return placed(node, slot, child && below > 0 ? grown(child, below, last, leaf) : lonely(below, leaf));
}

function replaced<T>(node: Branch<T>, shift: number, index: number, item: T): Branch<T> {
  const slot = (index >>> shift) & MASK;
  if (shift === 0) return placed(node, slot, item as unknown as Branch<T>);
  return placed(node, slot, replaced(node[slot] as Branch<T>, shift - BITS, index, item));
}

function placed<T>(node: Branch<T>, slot: number, child: Branch<T>): Branch<T> {
  const copy = node.slice();
  copy[slot] = child;
  return copy;
}

interface Leaf<V> {
  readonly hash: number;
  readonly entries: readonly (readonly [string, V])[];
}

type Node<V> = Leaf<V> | Trie<V>;
type Trie<V> = readonly (Node<V> | undefined)[];

/** A dictionary with strings as keys. Made by `Dict.of()`. */
export class Dict<V> {
  static readonly #empty = new Dict<never>([]);

  readonly #root: Trie<V>;

  private constructor(root: Trie<V>) {
    this.#root = root;
  }

  static of<V>(entries: Iterable<readonly [string, V]> = []): Dict<V> {
    let dict: Dict<V> = Dict.#empty;
    for (const [key, value] of entries) dict = dict.with(key, value);
    return dict;
  }

  get(key: string): V | undefined {
    const hash = hashed(key);
    let node: Node<V> | undefined = this.#root;
    for (let shift = 0; isTrie(node); shift += BITS) node = node[(hash >>> shift) & MASK];
    return node?.entries.find((entry) => entry[0] === key)?.[1];
  }

  /** This dictionary, with `value` under `key`. */
  with(key: string, value: V): Dict<V> {
    return new Dict(inserted(this.#root, 0, hashed(key), [key, value]) as Trie<V>);
  }
}

function inserted<V>(node: Node<V> | undefined, shift: number, hash: number, entry: readonly [string, V]): Node<V> {
  if (node === undefined) return { hash, entries: [entry] };
  if (isTrie(node)) {
    const slot = (hash >>> shift) & MASK;
    const copy = node.slice();
    copy[slot] = inserted(node[slot], shift + BITS, hash, entry);
    return copy;
  }
  if (node.hash === hash) return { hash, entries: [...node.entries.filter((each) => each[0] !== entry[0]), entry] };
  const split: (Node<V> | undefined)[] = [];
  split[(node.hash >>> shift) & MASK] = node;
  return inserted(split, shift, hash, entry);
}

function isTrie<V>(node: Node<V> | undefined): node is Trie<V> {
  return Array.isArray(node);
}

/** FNV-1a, of 32 bits. */
function hashed(text: string): number {
  let hash = 0x811c9dc5;
  for (let place = 0; place < text.length; place++) {
    hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193);
  }
  return hash >>> 0;
}
