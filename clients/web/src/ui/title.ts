/**
 * The page's title: how much waits, and where one is.
 *
 * Laws:
 * - It says nothing about whoever has signed out.
 */

import { useEffect } from "react";

let name = "";
let waiting = 0;

function write(): void {
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
