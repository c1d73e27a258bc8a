/**
 * The states of a machine: a picture, a list that says the same in words, and what is to be said of the selected one.
 *
 * Laws:
 * - Where a run is, is told by a sign and in words, never by a colour alone.
 */

import "../styles/diagram.css";
import { useMemo, useState, type ReactNode } from "react";
import { Check, CircleHelp, CircleStop, Clock, Columns3, Cog, Hand, X, type LucideIcon } from "lucide-react";
import type { JsonValue } from "@interlock/client";
import type { Drawing } from "../diagram/canvas.tsx";
import { Canvas } from "../diagram/lazy.tsx";
import { Button } from "../ui/button.tsx";
import { Disclosed } from "../ui/disclosed.tsx";
import { Folded } from "../ui/folded.tsx";
import { Empty } from "../ui/notice.tsx";
import { modelOf, type MachineModel, type StateKind, type StateModel } from "./model.ts";
import { nodeOf, pictureOf, stateOf, type Part } from "./picture.ts";
import type { Progress, StateProgress } from "./progress.ts";
import { kindWord, progressWords, signWords, wayWords } from "./words.ts";

/** What a `StateDiagram` takes. */
export interface StateDiagramProps {
  definition: JsonValue;
  /** How far a run has come; null shows the definition alone. */
  progress?: Progress | null;
  /** What is to be done about a state, where something is. */
  actions?: (state: string) => ReactNode;
}

/** The diagram. */
export function StateDiagram({ definition, progress = null, actions }: StateDiagramProps) {
  const model = useMemo(() => modelOf(definition), [definition]);
  const graph = useMemo(() => pictureOf(model, widthOf, progress), [model, progress]);
  const [selected, setSelected] = useState<string | null>(null);
  const state = model.states.find((each) => each.name === selected);
  if (model.states.length === 0) return <Empty title="No states yet">A machine is drawn as soon as it has some.</Empty>;
  return (
    <div className="diagram">
      <Canvas<Part>
        label="State diagram"
        graph={graph}
        node={PartNode}
        selected={nodeOf(selected)}
        onSelect={(id) => setSelected(stateOf(id))}
      />
      {state && (
        <Detail
          state={state}
          model={model}
          declared={declarationOf(definition, state.name)}
          progress={progress?.states.get(state.name) ?? null}
          actions={actions?.(state.name)}
          onClose={() => setSelected(null)}
        />
      )}
      <div className="diagram-foot">
        <Legend model={model} hasProgress={progress !== null} />
        <Disclosed title={`States and transitions as a list (${model.states.length})`}>
          <Outline model={model} progress={progress} />
        </Disclosed>
      </div>
    </div>
  );
}

let context: CanvasRenderingContext2D | null | undefined;

/** How wide a text is in the font of the page, at the size of a state's name. */
function widthOf(text: string): number {
  context ??= document.createElement("canvas").getContext("2d");
  if (!context) return text.length * 7.5;
  context.font = `600 14px ${getComputedStyle(document.documentElement).fontFamily}`;
  return context.measureText(text).width;
}

function declarationOf(definition: JsonValue, name: string): JsonValue | undefined {
  const states = (definition as { states?: Record<string, JsonValue> } | null)?.states;
  return states?.[name];
}

// ── Nodes ─────────────────────────────────────────────────────────────────────────────────────────────

const ICONS: Readonly<Record<StateKind, LucideIcon>> = {
  action: Cog,
  halting: Hand,
  parallel: Columns3,
  terminal: CircleStop,
  wait: Clock,
  unknown: CircleHelp,
};

function PartNode({ data, isSelected, onPress }: Drawing<Part>) {
  switch (data.part) {
    case "begin":
      return <span className="node-begin" />;
    case "region":
      return <div className="node-region">{data.region.thread}</div>;
    case "group":
      return (
        <div className={`node-group ${markOf(data.progress)}`}>
          <StateButton {...data} isSelected={isSelected} onPress={onPress} />
        </div>
      );
    case "state":
      return <StateButton {...data} isSelected={isSelected} onPress={onPress} />;
  }
}

/** How a state is marked, as the style sheet calls it. */
function markOf(progress: StateProgress | null): string {
  if (progress === null) return "";
  if (progress.halted > 0) return "halted";
  if (progress.inside > 0) return "inside";
  if (progress.failed) return "failed";
  return progress.entered > 0 ? "passed" : "";
}

interface StateButtonProps {
  state: StateModel;
  progress: StateProgress | null;
  isSelected: boolean;
  onPress: () => void;
}

function StateButton({ state, progress, isSelected, onPress }: StateButtonProps) {
  const Icon = ICONS[state.kind];
  return (
    <button
      type="button"
      className={`node-state nopan ${state.kind} ${markOf(progress)}`}
      aria-pressed={isSelected}
      title={state.description ?? undefined}
      onClick={onPress}
    >
      <Icon size={17} aria-hidden />
      <span className="node-words">
        <span className="node-name">{state.name}</span>
        <span className="node-does">{state.does}</span>
        <span className="unseen">{signWords(state, progress)}</span>
      </span>
      <Sign progress={progress} />
    </button>
  );
}

function Sign({ progress }: { progress: StateProgress | null }) {
  if (progress === null) return null;
  const { inside, entered, failed } = progress;
  const times = entered > 1 ? `×${entered}` : "";
  if (inside > 0) {
    return (
      <span className="node-sign" aria-hidden>
        <span className="dot" /> {times}
      </span>
    );
  }
  const Icon = failed ? X : Check;
  return (
    <span className="node-sign" aria-hidden>
      {(failed || entered > 0) && <Icon size={14} aria-hidden />} {times}
    </span>
  );
}

// ── Words ─────────────────────────────────────────────────────────────────────────────────────────────

function Legend({ model, hasProgress }: { model: MachineModel; hasProgress: boolean }) {
  const kinds = [...new Set(model.states.map(({ kind }) => kind))];
  return (
    <ul className="legend" aria-hidden>
      {kinds.map((kind) => {
        const Icon = ICONS[kind];
        return (
          <li key={kind}>
            <Icon size={14} /> {kindWord(kind)}
          </li>
        );
      })}
      {model.ways.some(({ kind }) => kind === "error") && <li className="way error">On an error</li>}
      {model.ways.some(({ kind }) => kind === "timeout") && <li className="way timeout">After a timeout</li>}
      {hasProgress && <li className="way taken">Taken</li>}
    </ul>
  );
}

function Outline({ model, progress }: { model: MachineModel; progress: Progress | null }) {
  return (
    <ul className="outline" aria-label="States and transitions">
      {model.states.map((state) => {
        const said = progressWords(progress?.states.get(state.name) ?? null);
        return (
          <li key={state.name}>
            <strong>{state.name}</strong> <span className="hint">{saidOf(state, model)}</span>
            {said !== "" && <span className="badge busy">{said}</span>}
            <Ways state={state.name} model={model} />
          </li>
        );
      })}
    </ul>
  );
}

function saidOf(state: StateModel, { regions }: MachineModel): string {
  const threads = regions.filter(({ of }) => of === state.name);
  const within = regions.find(({ id }) => id === state.region);
  const parts = [
    kindWord(state.kind),
    state.kind === "terminal" ? "" : state.does,
    state.isInitial ? "the machine begins here" : "",
    within ? `in the thread ${within.thread}` : "",
    ...threads.map(({ thread, begin }) => `thread ${thread} begins at ${begin}`),
  ];
  return parts.filter(Boolean).join(" · ");
}

function Ways({ state, model }: { state: string; model: MachineModel }) {
  const ways = model.ways.filter(({ from }) => from === state);
  if (ways.length === 0) return null;
  return (
    <ul>
      {ways.map((way, place) => (
        <li key={place}>{wayWords(way)}</li>
      ))}
    </ul>
  );
}

interface DetailProps {
  state: StateModel;
  model: MachineModel;
  declared: JsonValue | undefined;
  progress: StateProgress | null;
  actions: ReactNode;
  onClose: () => void;
}

function Detail({ state, model, declared, progress, actions, onClose }: DetailProps) {
  const said = progressWords(progress);
  return (
    <section className="state-detail" aria-label={`State ${state.name}`}>
      <header className="page-head">
        <h3>{state.name}</h3>
        <span className="hint">{saidOf(state, model)}</span>
        {said !== "" && <span className="badge busy">{said}</span>}
        <span className="spacer" />
        {actions}
        <Button tone="quiet" small onPress={onClose} aria-label="Close the state">
          <X size={16} aria-hidden />
        </Button>
      </header>
      {state.description !== null && <p>{state.description}</p>}
      <Ways state={state.name} model={model} />
      <Disclosed title="Its JSON">
        <Folded text={JSON.stringify(declared ?? null, null, 2)} code what="JSON" />
      </Disclosed>
    </section>
  );
}
