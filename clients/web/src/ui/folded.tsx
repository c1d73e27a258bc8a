/**
 * Text of a run: shown as text, whatever it says, and folded where it is long.
 *
 * Laws:
 * - It is never taken for HTML.
 * - More than 2,000 characters are folded: the first of them are shown, and the last of them while it is being written.
 * - Who has read along isn't folded away from: what was whole while it was written stays whole, up to 10,000 characters.
 */

import { useState, type ReactNode } from "react";
import { Button } from "./button.tsx";
import { count } from "./format.ts";

const FOLD = 2000;
const READ_ALONG = 10_000;
/** How much is shown more at a time: a browser takes long to lay out a million characters. */
const MORE = 50_000;

/** What `Folded` takes. */
export interface FoldedProps {
  text: string;
  /** It is being written. */
  live?: boolean;
  /** What it is, for the button that unfolds it. */
  what?: string;
  code?: boolean;
  /** Draws what is shown; as it is written without it. */
  draw?: (shown: string, live: boolean) => ReactNode;
}

/** A text of any length. */
export function Folded({ text, live = false, what = "text", code = false, draw }: FoldedProps) {
  const [most, setMost] = useState(FOLD);
  const [readAlong, setReadAlong] = useState(live);
  if (live && !readAlong) setReadAlong(true);
  const room = Math.max(most, readAlong ? READ_ALONG : 0);
  const isWhole = text.length <= room;
  const shown = isWhole ? text : live ? text.slice(-FOLD) : text.slice(0, most);
  const actions = (
    <span className="actions">
      {!isWhole && (
        <Button tone="quiet" small onPress={() => setMost(most + MORE)}>
          {text.length <= most + MORE ? `Show all ${count(text.length)} characters` : moreOf(most, text.length)}
        </Button>
      )}
      {most > FOLD && text.length > FOLD && (
        <Button tone="quiet" small onPress={() => setMost(FOLD)}>
          Fold the {what}
        </Button>
      )}
    </span>
  );
  return (
    <div className="folded">
      {live && actions}
      {draw ? (
        draw(isWhole ? shown : live ? `…${shown}` : `${shown}…`, live)
      ) : (
        <pre className={code ? "said code" : "said"}>
          {!isWhole && live && "…"}
          {shown}
          {!isWhole && !live && "…"}
          {live && <span className="caret" aria-hidden />}
        </pre>
      )}
      {!live && actions}
    </div>
  );
}

function moreOf(shown: number, length: number): string {
  return `Show more: ${count(shown)} of ${count(length)} characters are shown`;
}
