/**
 * The way back to what matters in a long conversation: the next question that waits, and its end.
 *
 * Laws:
 * - It takes room only while there is something out of sight.
 */

import { useEffect, useRef, useState, type RefObject } from "react";
import { ArrowDown, CircleAlert } from "lucide-react";
import { Button } from "../ui/button.tsx";
import { counted } from "../ui/format.ts";
import { useOpenRuns } from "./open-runs.ts";
import { scrollerOf } from "./stay-at-end.ts";

const NEAR = 200;
const WAITING = '.card.open[aria-label^="Waiting"]';

/** The buttons, above the composer. */
export function InSight({ box }: { box: RefObject<HTMLElement | null> }) {
  const waiting = useOpenRuns().reduce((sum, run) => sum + run.asks.length, 0);
  const isFar = useIsFar(box);
  /** The card that it led to last. */
  const last = useRef<HTMLElement | null>(null);
  const next = () => {
    const cards = [...(box.current?.querySelectorAll<HTMLElement>(WAITING) ?? [])];
    const card = cards[(cards.findIndex((each) => each === last.current) + 1) % cards.length];
    last.current = card ?? null;
    card?.scrollIntoView({ block: "start" });
    card?.focus({ preventScroll: true });
  };
  const toEnd = () => {
    const scroller = box.current && scrollerOf(box.current);
    scroller?.scrollTo({ top: scroller.scrollHeight });
  };
  const hasMany = waiting > 1 || (waiting > 0 && isFar);
  if (!hasMany && !isFar) return null;
  return (
    <div className="in-sight">
      {hasMany && (
        <Button small onPress={next}>
          <CircleAlert size={14} aria-hidden /> {counted(waiting, "question")} · next
        </Button>
      )}
      {isFar && (
        <Button small onPress={toEnd}>
          <ArrowDown size={14} aria-hidden /> Jump to latest
        </Button>
      )}
    </div>
  );
}

/** Whether the end of a box is far below what is seen of it. */
function useIsFar(box: RefObject<HTMLElement | null>): boolean {
  const [isFar, setFar] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const look = () => {
      const { scrollHeight, scrollTop, clientHeight } = scrollerOf(element);
      setFar(scrollHeight - scrollTop - clientHeight > NEAR);
    };
    // Scrolling doesn't bubble: the document hears of it on the way down.
    document.addEventListener("scroll", look, { passive: true, capture: true });
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    return () => {
      document.removeEventListener("scroll", look, { capture: true });
      sizes.disconnect();
    };
  }, [box]);
  return isFar;
}
