/**
 * Keeps the end of something that grows in view.
 *
 * Laws:
 * - Whoever has scrolled up to read isn't moved.
 */

import { useCallback, useEffect, useRef, type RefObject } from "react";

const NEAR = 80;

/** What scrolls a box: itself, or the page where the window is too low for both. */
export function scrollerOf(box: HTMLElement): Element {
  const { overflowY } = getComputedStyle(box);
  return overflowY === "visible" ? (document.scrollingElement ?? box) : box;
}

/** Keeps the end of a box in view. Returns what goes there in any case. */
export function useStayAtEnd(box: RefObject<HTMLElement | null>): () => void {
  const stays = useRef(true);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const onScroll = () => {
      const { scrollHeight, scrollTop, clientHeight } = scrollerOf(element);
      stays.current = scrollHeight - scrollTop - clientHeight < NEAR;
    };
    const toEnd = () => {
      const scroller = scrollerOf(element);
      if (stays.current) scroller.scrollTo({ top: scroller.scrollHeight });
    };
    const sizes = new ResizeObserver(toEnd);
    const children = new MutationObserver(() => watch());
    const watch = () => {
      for (const child of element.children) sizes.observe(child);
      toEnd();
    };
    // Scrolling doesn't bubble: the document hears of it on the way down, also where it is what scrolls.
    document.addEventListener("scroll", onScroll, { passive: true, capture: true });
    children.observe(element, { childList: true });
    watch();
    return () => {
      document.removeEventListener("scroll", onScroll, { capture: true });
      sizes.disconnect();
      children.disconnect();
    };
  }, [box]);
  return useCallback(() => void (stays.current = true), []);
}
