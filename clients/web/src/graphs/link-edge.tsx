/** A link on the canvas, with the cog that sets its condition. */

import { Settings } from "lucide-react";
import { EdgeLabelRenderer, getBezierPath, type EdgeProps } from "@xyflow/react";
import { Dialog, DialogTrigger, Popover } from "react-aria-components";
import { Button } from "../ui/button.tsx";
import { useBoard } from "./board-context.ts";
import { Condition } from "./condition.tsx";
import { conditionWord } from "./looks.tsx";
import { COMPLETED, conditionOf, removeLink, setCondition, type Link } from "./model.ts";

const ARROW = 9;

/** A link. */
export function LinkEdge({ data, sourceX, sourceY, sourcePosition, targetX, targetY, targetPosition }: EdgeProps) {
  const { link, isTaken } = data as { link: Link; isTaken: boolean };
  const end = targetY - ARROW + 1;
  const [path, x, y] = getBezierPath({ sourceX, sourceY, sourcePosition, targetX, targetY: end, targetPosition });
  const condition = conditionOf(link);
  const look = `edge ${LOOKS[condition] ?? ""}${isTaken ? " taken" : ""}`;
  return (
    <>
      <g className={look}>
        <path d={path} className="edge-line" />
        <path d={path} className="edge-room" />
        <path d={`M${targetX},${targetY}l-5,-${ARROW}h10Z`} className="edge-arrow" />
      </g>
      <EdgeLabelRenderer>
        <div
          className={`link-label nodrag nopan ${LOOKS[condition] ?? ""}`}
          style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}
        >
          <Cog link={link} condition={condition} />
        </div>
      </EdgeLabelRenderer>
    </>
  );
}

const LOOKS: Readonly<Record<string, string>> = { failed: "error", always: "timeout" };

function Cog({ link, condition }: { link: Link; condition: string }) {
  const { graph, isEditable, onChange } = useBoard();
  const { from, to } = link;
  const words = condition === COMPLETED ? null : <span>{conditionWord(condition)}</span>;
  if (!isEditable) return words;
  return (
    <DialogTrigger>
      <Button small aria-label={`Condition of the link from ${from} to ${to}: ${conditionWord(condition)}`}>
        <Settings size={13} aria-hidden /> {words}
      </Button>
      <Popover className="popover link-popover">
        <Dialog className="stack" aria-label={`Link from ${from} to ${to}`}>
          {({ close }) => (
            <>
              <Condition
                link={link}
                onChange={(next) => {
                  onChange(setCondition(graph, from, to, next));
                }}
              />
              <div className="actions">
                <Button small tone="primary" onPress={close}>
                  Done
                </Button>
                <Button small tone="quiet" onPress={() => onChange(removeLink(graph, from, to))}>
                  Delete the link
                </Button>
              </div>
            </>
          )}
        </Dialog>
      </Popover>
    </DialogTrigger>
  );
}
