/** Two who saved: both versions, and what is to become of them. Nothing is lost, whatever is pressed. */

import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { differences } from "./difference.ts";
import { definitionOf, type Graph } from "./model.ts";
import type { Conflict as Found } from "./use-graph.ts";
import { Disclosed } from "../ui/disclosed.tsx";
import { Folded } from "../ui/folded.tsx";
import { numberOf } from "../machines/words.ts";

interface ConflictProps {
  mine: Graph;
  conflict: Found;
  isBusy: boolean;
  onMine: () => void;
  onTheirs: () => void;
  onClose: () => void;
}

/** The dialog. */
export function Conflict({ mine, conflict, isBusy, onMine, onTheirs, onClose }: ConflictProps) {
  const { theirs, version } = conflict;
  const by = version.created_by ?? "Somebody";
  const said = differences(mine, theirs);
  return (
    <Dialog title="Somebody saved it meanwhile" isOpen onClose={onClose}>
      <div className="stack">
        <p>
          {by} saved {numberOf(version).toLowerCase()} after you had begun. Both are kept, whatever you choose: as
          versions, or as a step that you can undo.
        </p>
        {said.length === 0 ? (
          <p>They say the same.</p>
        ) : (
          <ul className="differences" aria-label="In theirs">
            {said.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        )}
        <Disclosed title="Yours, as JSON">
          <Folded text={JSON.stringify(definitionOf(mine), null, 2)} code what="definition" />
        </Disclosed>
        <Disclosed title="Theirs, as JSON">
          <Folded text={JSON.stringify(definitionOf(theirs), null, 2)} code what="definition" />
        </Disclosed>
        <div className="actions">
          <Button tone="primary" isPending={isBusy} onPress={onMine}>
            Save mine after theirs
          </Button>
          <Button onPress={onTheirs}>Go on with theirs</Button>
          <Button tone="quiet" onPress={onClose}>
            Not now
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
