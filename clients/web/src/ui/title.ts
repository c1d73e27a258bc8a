/**
 * The page's title, and the app's sign: how much waits, and where one is.
 *
 * Laws:
 * - It says nothing about whoever has signed out.
 */

import { useEffect } from "react";

let name = "";
let waiting = 0;

function write(): void {
  // The sign of an installed app; where there is none, or the system shows none, the title has it.
  if ("setAppBadge" in navigator) void navigator.setAppBadge(waiting).catch(() => undefined);
  document.title = `${waiting > 0 ? `(${waiting}) ` : ""}${name === "" ? "" : `${name} – `}Interlock`;
}

/** Names the page that is shown. */
export function useTitle(title: string): void {
  useEffect(() => {
    name = title;
    write();
  }, [title]);
}

/** Says how much waits for whoever is signed in. */
export function useWaiting(count: number): void {
  useEffect(() => {
    waiting = count;
    write();
    return () => {
      waiting = 0;
      write();
    };
  }, [count]);
}
