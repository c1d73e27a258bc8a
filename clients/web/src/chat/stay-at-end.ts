/**
 * Keeps the end of something that grows in view.
 *
 * Laws:
 * - Whoever has scrolled up to read isn't moved.
 */

import { useCallback, useEffect, useRef, type RefObject } from "react";

const NEAR = 80;

/** Keeps the end of a box in view. Returns what goes there in any case. */
export function useStayAtEnd(box: RefObject<HTMLElement | null>): () => void {
  const stays = useRef(true);
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const onScroll = () => {
      stays.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
    };
    const toEnd = () => stays.current && element.scrollTo({ top: element.scrollHeight });
    const sizes = new ResizeObserver(toEnd);
    const children = new MutationObserver(() => watch());
    const watch = () => {
      for (const child of element.children) sizes.observe(child);
      toEnd();
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    children.observe(element, { childList: true });
    watch();
    return () => {
      element.removeEventListener("scroll", onScroll);
      sizes.disconnect();
      children.disconnect();
    };
  }, [box]);
  return useCallback(() => void (stays.current = true), []);
}
