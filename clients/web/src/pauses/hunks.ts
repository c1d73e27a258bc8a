/** The changed places of a text, with what is around them. Pure. */

/** A run of lines that is the same, was added, or was removed; as `diffLines` gives it. */
export interface Change {
  readonly value: string;
  readonly added?: boolean;
  readonly removed?: boolean;
}

/** One line of a difference. */
export interface Line {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
}

/** Lines that stand together. */
export type Hunk = readonly Line[];

const AROUND = 3;

/** The changes, with three lines before and after each, in pieces where more than that is the same. */
export function hunks(changes: readonly Change[]): Hunk[] {
  const lines = changes.flatMap(linesOf);
  const near = new Set<number>();
  lines.forEach((line, place) => {
    if (line.kind === "same") return;
    for (let at = place - AROUND; at <= place + AROUND; at++) near.add(at);
  });
  const found: Line[][] = [];
  lines.forEach((line, place) => {
    if (!near.has(place)) return;
    if (!near.has(place - 1) || found.length === 0) found.push([]);
    found.at(-1)?.push(line);
  });
  return found;
}

function linesOf({ value, added, removed }: Change): Line[] {
  const kind = added ? "added" : removed ? "removed" : "same";
  const texts = value.split("\n");
  if (texts.at(-1) === "") texts.pop();
  return texts.map((text) => ({ kind, text }));
}
