/** Whoever answers by keyboard stays where the question was, when its form goes away. */

import { useEffect, useRef, type FocusEvent } from "react";

/** What goes on the element around a form that is there while `isOpen`. */
export function useFocusKept(isOpen: boolean) {
  const ref = useRef<HTMLElement>(null);
  const hadFocus = useRef(false);
  useEffect(() => {
    const active = document.activeElement;
    if (!isOpen && hadFocus.current && (active === null || active === document.body)) ref.current?.focus();
  }, [isOpen]);
  return {
    ref,
    tabIndex: -1,
    onFocus: () => void (hadFocus.current = true),
    onBlur: (event: FocusEvent) => void (hadFocus.current = event.relatedTarget === null),
  };
}
