/**
 * Text of a run: shown as text, whatever it says, and folded where it is long.
 *
 * Laws:
 * - It is never taken for HTML.
 * - More than 2,000 characters are folded: the first of them are shown, and the last of them while it is being written.
 * - Who has read along isn't folded away from: what was whole while it was written stays whole, up to 10,000 characters.
 */

import { useState } from "react";
import { Button } from "./button.tsx";
import { count } from "./format.ts";

const FOLD = 2000;
const READ_ALONG = 10_000;

/** What `Folded` takes. */
export interface FoldedProps {
  text: string;
  /** It is being written. */
  live?: boolean;
  /** What it is, for the button that unfolds it. */
  what?: string;
  code?: boolean;
}

/** A text of any length. */
export function Folded({ text, live = false, what = "text", code = false }: FoldedProps) {
  const [open, setOpen] = useState(false);
  const [readAlong, setReadAlong] = useState(live);
  if (live && !readAlong) setReadAlong(true);
  const whole = open || text.length <= (readAlong ? READ_ALONG : FOLD);
  const shown = whole ? text : live ? text.slice(-FOLD) : text.slice(0, FOLD);
  const toggle = (
    <Button tone="quiet" small onPress={() => setOpen(!open)}>
      {open ? `Fold the ${what}` : `Show all ${count(text.length)} characters`}
    </Button>
  );
  const foldable = !whole || (open && text.length > FOLD);
  return (
    <div className="folded">
      {foldable && live && toggle}
      <pre className={code ? "said code" : "said"}>
        {!whole && live && "…"}
        {shown}
        {!whole && !live && "…"}
        {live && <span className="caret" aria-hidden />}
      </pre>
      {foldable && !live && toggle}
    </div>
  );
}
