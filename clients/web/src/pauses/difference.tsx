/**
 * What is different in two texts, line by line.
 *
 * Laws:
 * - What is the same is left out, but for three lines around each change.
 * - It gives up, and says so, on texts that would take the browser long to compare.
 */

import { useMemo } from "react";
import { diffLines } from "diff";
import { hunks, type Hunk } from "./hunks.ts";

const TIMEOUT_MS = 100;
const SIGN = { added: "+", removed: "−", same: " " };
const WORD = { added: "added: ", removed: "removed: ", same: "" };

/** The difference, as a list of lines. */
export default function Difference({ before, after }: { before: string; after: string }) {
  const found = useMemo(() => compare(before, after), [before, after]);
  if (found === null) return <p className="hint">The texts are too different, or too long, to compare.</p>;
  return (
    <div className="difference" role="group" aria-label="Changes">
      {found.length === 0 && <p className="hint">Nothing is different.</p>}
      {found.map((hunk, place) => (
        <pre key={place} className="hunk">
          {hunk.map((line, number) => (
            <span key={number} className={line.kind}>
              <span className="unseen">{WORD[line.kind]}</span>
              <span aria-hidden>{SIGN[line.kind]} </span>
              {line.text}
              {"\n"}
            </span>
          ))}
        </pre>
      ))}
    </div>
  );
}

function compare(before: string, after: string): Hunk[] | null {
  // Without a line break at its end, a last line is another one than the same line further up.
  const changes = diffLines(`${before}\n`, `${after}\n`, { timeout: TIMEOUT_MS });
  return changes === undefined ? null : hunks(changes);
}
