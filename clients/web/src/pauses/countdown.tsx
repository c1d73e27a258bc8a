/** How long a question waits, and what happens then. */

import { Timer } from "lucide-react";
import { leftOf } from "../ui/format.ts";
import { useServerNow } from "../ui/time.tsx";
import { timeoutOf } from "./words.ts";

/** The time that is left until a timeout decides; `at` is ISO 8601, by the server's clock. */
export function Countdown({ at, then }: { at: string; then: "cancel" | "skip" | "approve" | undefined }) {
  const left = Date.parse(at) - useServerNow();
  if (Number.isNaN(left)) return null;
  const words = left > 0 ? `${timeoutOf(then)} in ` : `Time is up: ${timeoutOf(then).toLowerCase()}`;
  return (
    <span className={left < 60_000 ? "countdown soon" : "countdown"} role="timer" aria-label="Timeout">
      <Timer size={14} aria-hidden /> {words}
      {left > 0 && <span className="digits">{leftOf(left)}</span>}
    </span>
  );
}
