/** Until when an answer is wanted. */

import { CalendarClock } from "lucide-react";
import { leftOf } from "../ui/format.ts";
import { useServerNow } from "../ui/time.tsx";
import { dueOf } from "./words.ts";

/** The time that is left until an answer is due, or since it was; `at` is ISO 8601, by the server's clock. */
export function Due({ at }: { at: string }) {
  const left = Date.parse(at) - useServerNow();
  if (Number.isNaN(left)) return null;
  return (
    <span
      className={left < 60_000 ? "countdown soon" : "countdown"}
      role="timer"
      aria-label="Due"
      title={new Date(at).toLocaleString()}
    >
      <CalendarClock size={14} aria-hidden /> {dueOf(left)}
      <span className="digits">{leftOf(Math.abs(left))}</span>
    </span>
  );
}
