/**
 * What a run says in words: drawn as Markdown where it is Markdown, and as it was written otherwise.
 *
 * Laws:
 * - While what draws Markdown isn't here, and where it can't be loaded, the text is there as it was written.
 * - How it was written can always be seen.
 */

import { lazy, Suspense, useState } from "react";
import { Boundary } from "./boundary.tsx";
import { Button } from "./button.tsx";
import { Folded, type FoldedProps } from "./folded.tsx";
import { isMarkdown } from "./markdown-blocks.ts";

/** Loads what draws Markdown. */
export const loadMarkdown = () => import("./markdown.tsx");
const Markdown = lazy(loadMarkdown);

/** A text of any length. */
export function Prose(props: Omit<FoldedProps, "code" | "draw">) {
  const [isRaw, setRaw] = useState(false);
  if (!isMarkdown(props.text)) return <Folded {...props} />;
  return (
    <div className="prose">
      {isRaw ? (
        <Folded {...props} />
      ) : (
        <Folded
          {...props}
          draw={(shown, live) => {
            const written = <pre className="said">{shown}</pre>;
            return (
              <Boundary fallback={written}>
                <Suspense fallback={written}>
                  <div className="said drawn">
                    <Markdown text={shown} live={live} />
                    {live && <span className="caret" aria-hidden />}
                  </div>
                </Suspense>
              </Boundary>
            );
          }}
        />
      )}
      {!props.live && (
        <Button tone="quiet" small aria-pressed={isRaw} onPress={() => setRaw(!isRaw)}>
          {isRaw ? "Show it drawn" : "As written"}
        </Button>
      )}
    </div>
  );
}
