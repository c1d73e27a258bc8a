/**
 * What somebody had half written when the question was decided without it: shown, to be copied.
 *
 * Laws:
 * - It goes away only when the person says so, or signs out.
 */

import { useState } from "react";
import type { JsonValue } from "@interlock/client";
import { Button } from "../ui/button.tsx";
import { draftsAbout, dropDrafts } from "../ui/draft.ts";
import { Folded } from "../ui/folded.tsx";
import { textOfValue } from "../ui/format.ts";

/** The drafts that hold what was written, and not which part of a form was open. */
const WRITTEN = [
  "feedback",
  "edited",
  "form",
  "halt",
  "written",
  "answers",
  "result",
  "routes",
  "interaction",
  "comment",
  "value",
  "selected",
  "fields",
  "schema",
];

/** What was written about these ids, as text; empty where nothing was. */
export function writtenAbout(ids: readonly string[]): string {
  const values = ids.flatMap((id) => {
    const drafts = draftsAbout(id);
    return WRITTEN.flatMap((name) => textsIn(drafts.get(name)));
  });
  return values.join("\n\n");
}

function textsIn(value: unknown): string[] {
  if (value === undefined || value === null || value === "") return [];
  if (typeof value !== "object") return [textOfValue(value as JsonValue)];
  const isEmpty = Object.values(value).every((each) => textsIn(each).length === 0);
  return isEmpty ? [] : [textOfValue(value as JsonValue)];
}

/** What is left of an answer that was never sent. */
export function Unsent({ ids }: { ids: readonly string[] }) {
  const [text, setText] = useState(() => writtenAbout(ids));
  const [copied, setCopied] = useState(false);
  if (text === "") return null;
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  const forget = () => {
    for (const id of ids) dropDrafts(`${id}/`);
    setText("");
  };
  return (
    <div className="subject" role="group" aria-label="What you had written">
      <p className="hint">What you had written, and wasn’t sent:</p>
      <Folded text={text} what="draft" />
      <div className="actions">
        {"clipboard" in navigator && (
          <Button small onPress={copy}>
            {copied ? "Copied" : "Copy"}
          </Button>
        )}
        <Button small tone="quiet" onPress={forget}>
          Forget it
        </Button>
      </div>
    </div>
  );
}
