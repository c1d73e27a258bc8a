/** Who decided what, and when. */

import type { RunView } from "@interlock/client";
import { useScene } from "../pauses/run-context.ts";
import { Details } from "../pauses/resolved.tsx";
import { ASKS, deciderOf, decisionOf } from "../pauses/words.ts";
import { Empty } from "../ui/notice.tsx";
import { Time } from "../ui/time.tsx";

/** All decisions of a run, the first one first. */
export function DecisionsTable({ view }: { view: RunView }) {
  const { past, userId } = useScene();
  if (view.decisions.length === 0)
    return <Empty title="Nobody has decided anything yet">What people decide in this run is listed here.</Empty>;
  return (
    <div className="table-box">
      <table aria-label="Decisions">
        <thead>
          <tr>
            <th scope="col">Event</th>
            <th scope="col">Step</th>
            <th scope="col">Asked for</th>
            <th scope="col">Decision</th>
            <th scope="col">By</th>
            <th scope="col">When</th>
          </tr>
        </thead>
        <tbody>
          {[...view.decisions].map((each) => {
            const kind = each.kind ?? past.questions.get(each.requirementId)?.kind ?? null;
            return (
              <tr key={each.index}>
                <td className="number">{each.index}</td>
                <th scope="row">{each.stepName}</th>
                <td>{kind === null ? "" : ASKS[kind]}</td>
                <td>
                  {decisionOf(each.decision, kind)}
                  <Details facts={each.decision} />
                </td>
                <td>{deciderOf(each.resolvedBy, userId)}</td>
                <td>
                  <Time at={each.resolvedAt} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
