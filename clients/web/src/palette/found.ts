/**
 * What the palette finds. Pure.
 *
 * Laws:
 * - Every word that is written has to be found, in the name or in what is said beside it, in any order.
 * - What begins with what is written comes first; otherwise things stay in their order. At most `MOST` of a section.
 */

/** Something to go to, or to do. */
export interface Entry {
  readonly id: string;
  readonly name: string;
  readonly hint?: string | undefined;
}

/** Entries under a heading. */
export interface Section<E extends Entry = Entry> {
  readonly id: string;
  readonly title: string;
  readonly entries: readonly E[];
}

const MOST = 8;

/** What is found of these, without the sections in which nothing is. */
export function foundIn<E extends Entry>(sections: readonly Section<E>[], written: string): Section<E>[] {
  const words = written.toLowerCase().split(/\s+/).filter(Boolean);
  const start = words.join(" ");
  const begins = ({ name }: Entry) => start !== "" && name.toLowerCase().startsWith(start);
  return sections.flatMap(({ id, title, entries }) => {
    const found = entries.filter((entry) => isLike(entry, words));
    const first = [...found.filter(begins), ...found.filter((each) => !begins(each))];
    return first.length === 0 ? [] : [{ id, title, entries: first.slice(0, MOST) }];
  });
}

function isLike({ name, hint = "" }: Entry, words: readonly string[]): boolean {
  const text = `${name}\n${hint}`.toLowerCase();
  return words.every((word) => text.includes(word));
}
