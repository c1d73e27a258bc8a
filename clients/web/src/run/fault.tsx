/** Why a run can't be shown, or not any further. */

import { Link } from "wouter";
import type { InterlockError } from "@interlock/client";
import { Notice } from "../ui/notice.tsx";

const SENTENCES: Readonly<Record<string, string>> = {
  run_not_found: "There is no such run, or it isn’t yours to see.",
  workflow_mismatch: "There is no such run of this workflow. Check the address.",
  forbidden: "Your token doesn’t let you see this run.",
};

/** The error of a run. */
export function RunFault({ error }: { error: InterlockError }) {
  return (
    <Notice tone="fault">
      {SENTENCES[error.code] ?? error.message} <Link href="/runs">See the runs that are</Link>.
    </Notice>
  );
}
