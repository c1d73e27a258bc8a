/** Sentences about what is wrong, or missing, with what can be done about it. */

import type { ReactNode } from "react";
import { AlertTriangle, Info } from "lucide-react";
import { Button } from "./button.tsx";

/** What a `Notice` takes. */
export interface NoticeProps {
  tone?: "fault" | "info";
  children: ReactNode;
  /** What is to be done again, and what that is called. */
  again?: (() => void) | undefined;
  action?: string;
}

/** A sentence, in the place of what it is about. */
export function Notice({ tone = "info", children, again, action = "Try again" }: NoticeProps) {
  const Icon = tone === "fault" ? AlertTriangle : Info;
  return (
    <div className={`notice ${tone}`} role={tone === "fault" ? "alert" : "note"}>
      <Icon size={18} aria-hidden />
      <div>{children}</div>
      {again && (
        <Button small onPress={again}>
          {action}
        </Button>
      )}
    </div>
  );
}

/** What stands where there is nothing, and what to do about that. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

/** Grey lines where something will be. */
export function Skeleton({ label, lines = 3 }: { label: string; lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} style={{ width: `${90 - 17 * (line % 3)}%` }} />
      ))}
    </div>
  );
}
