/**
 * Whoever answers by keyboard stays where the question was, when its form goes away.
 *
 * Laws:
 * - That holds, too, where the card comes to stand elsewhere in the page, because the run shows more of its step.
 */

import { useEffect, useLayoutEffect, useRef, type FocusEvent } from "react";

/** The question whose card had the focus when it was taken off the page just now. */
let left: string | null = null;

/** What goes on the element around a form that is there while `isOpen`; `id` is the question's. */
export function useFocusKept(id: string, isOpen: boolean) {
  const ref = useRef<HTMLElement>(null);
  const hadFocus = useRef(false);
  useLayoutEffect(() => {
    const card = ref.current;
    if (left === id && isNothingFocused()) card?.focus();
    if (left === id) left = null;
    return () => {
      if (card?.contains(document.activeElement) !== true) return;
      left = id;
      setTimeout(() => (left = left === id ? null : left), 0);
    };
  }, [id]);
  useEffect(() => {
    if (!isOpen && hadFocus.current && isNothingFocused()) ref.current?.focus();
  }, [isOpen]);
  return {
    ref,
    tabIndex: -1,
    onFocus: () => void (hadFocus.current = true),
    onBlur: (event: FocusEvent) => void (hadFocus.current = event.relatedTarget === null),
  };
}

function isNothingFocused(): boolean {
  return document.activeElement === null || document.activeElement === document.body;
}
