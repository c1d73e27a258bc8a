/** How often each of some words is there. Pure. */

/** A word, and how often it is there. */
export interface Tally {
  readonly key: string;
  readonly count: number;
}

/** The most frequent first; of equal ones, by the alphabet. */
export function tallied(words: readonly string[]): Tally[] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const tallies = [...counts].map(([key, count]) => ({ key, count }));
  return tallies.sort((a, b) => b.count - a.count || a.key.localeCompare(b.key));
}
