/**
 * Marks boxes on an image, each with a label and a note: a widget's bundle, in React.
 *
 * Props: `{ title, image, alt, labels: [string] }`, where `image` is a `data:` URL
 * Events: `submit` with `{ annotations }`, `unusable` with `{ note }`.
 * Draft: the annotations. Each is `{ label, note, x, y, width, height }`, in parts of the image.
 *
 * `npm run build` makes `../widgets/bundles/image-annotator.js` of it.
 */

import { StrictMode, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { createRoot } from "react-dom/client";
import type { JsonValue, MountedWidget, WidgetCallbacks } from "@interlock/client";
import style from "./annotator.css?inline";

interface Annotation extends Box {
  label: string;
  note: string;
}

interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

interface Props {
  title?: string;
  image: string;
  alt?: string;
  labels: string[];
}

const STEP = 0.02;
const LEAST = 0.02;

export function mount(container: HTMLElement, props: JsonValue, callbacks: WidgetCallbacks): MountedWidget {
  const root = createRoot(container);
  const show = (given: JsonValue) =>
    root.render(
      <StrictMode>
        <style>{style}</style>
        <Annotator {...(given as unknown as Props)} callbacks={callbacks} />
      </StrictMode>,
    );
  show(props);
  return { update: show, unmount: () => root.unmount() };
}

function Annotator({ title, image, alt, labels, callbacks }: Props & { callbacks: WidgetCallbacks }) {
  const [annotations, setAnnotations] = useState(() => (callbacks.draft ?? []) as unknown as Annotation[]);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  const write = (next: Annotation[]) => {
    setAnnotations(next);
    setFault("");
    callbacks.onDraft(next as unknown as JsonValue);
  };
  const change = (at: number, by: Partial<Annotation>) =>
    write(annotations.map((each, place) => (place === at ? { ...each, ...by } : each)));
  const add = (box: Box) => write([...annotations, { label: labels[0] ?? "", note: "", ...box }]);
  const fire = async (event: string, data: JsonValue) => {
    if (isBusy) return;
    setBusy(true);
    const answer = await callbacks.onInteraction(event, data);
    if (answer.accepted) return;
    setBusy(false);
    if (answer.code !== "not_confirmed") setFault(answer.message);
  };
  return (
    <div className="annotator">
      <h2>{title ?? "Annotate the image"}</h2>
      <Picture image={image} alt={alt ?? ""} annotations={annotations} onDraw={add} onMove={change} />
      <p className="hint">
        Draw a box on the image, or add one and move it by the arrow keys; with Shift, they change its size.
      </p>
      <ol>
        {annotations.map((each, at) => (
          <li key={at}>
            <select aria-label={`Label ${at + 1}`} value={each.label} onChange={(e) => change(at, { label: e.target.value })}>
              {labels.map((label) => (
                <option key={label}>{label}</option>
              ))}
            </select>
            <input
              aria-label={`Note ${at + 1}`}
              placeholder="Note"
              value={each.note}
              onChange={(e) => change(at, { note: e.target.value })}
            />
            <button type="button" aria-label={`Remove box ${at + 1}`} onClick={() => write(annotations.toSpliced(at, 1))}>
              Remove
            </button>
          </li>
        ))}
      </ol>
      <p className="fault" role="alert">
        {fault}
      </p>
      <div className="buttons">
        <button type="button" onClick={() => add({ x: 0.4, y: 0.4, width: 0.2, height: 0.2 })}>
          Add a box
        </button>
        <button
          type="button"
          className="main"
          aria-disabled={isBusy}
          onClick={() => void fire("submit", { annotations: annotations as unknown as JsonValue })}
        >
          Submit
        </button>
        <button type="button" aria-disabled={isBusy} onClick={() => void fire("unusable", {})}>
          The image can’t be used
        </button>
      </div>
    </div>
  );
}

interface PictureProps {
  image: string;
  alt: string;
  annotations: Annotation[];
  onDraw: (box: Box) => void;
  onMove: (at: number, box: Box) => void;
}

function Picture({ image, alt, annotations, onDraw, onMove }: PictureProps) {
  const area = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState<{ from: [number, number]; box: Box } | null>(null);
  const at = ({ clientX, clientY }: PointerEvent): [number, number] => {
    const { left, top, width, height } = (area.current as HTMLDivElement).getBoundingClientRect();
    return [within((clientX - left) / width), within((clientY - top) / height)];
  };
  const begin = (event: PointerEvent) => {
    if (event.button !== 0) return;
    area.current?.setPointerCapture(event.pointerId);
    const from = at(event);
    setDrawn({ from, box: spanned(from, from) });
  };
  const end = () => {
    if (drawn && drawn.box.width >= LEAST && drawn.box.height >= LEAST) onDraw(drawn.box);
    setDrawn(null);
  };
  return (
    <div
      ref={area}
      className="picture"
      onPointerDown={begin}
      onPointerMove={(event) => drawn && setDrawn({ ...drawn, box: spanned(drawn.from, at(event)) })}
      onPointerUp={end}
      onPointerCancel={() => setDrawn(null)}
    >
      <img src={image} alt={alt} draggable={false} />
      {annotations.map((each, place) => (
        <button
          key={place}
          type="button"
          className="box"
          style={placed(each)}
          aria-label={`Box ${place + 1}: ${each.label}`}
          onPointerDown={(event) => event.stopPropagation()}
          onKeyDown={(event) => keyed(event, each, (box) => onMove(place, box))}
        >
          {place + 1}
        </button>
      ))}
      {drawn && <div className="box" style={placed(drawn.box)} />}
    </div>
  );
}

const KEYS: Record<string, [number, number]> = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
};

function keyed(event: KeyboardEvent, { x, y, width, height }: Box, move: (box: Box) => void): void {
  const by = KEYS[event.key];
  if (by === undefined) return;
  event.preventDefault();
  const size = (value: number, most: number) => Math.min(Math.max(value, LEAST), most);
  const box = event.shiftKey
    ? { x, y, width: size(width + by[0], 1 - x), height: size(height + by[1], 1 - y) }
    : { x: within(x + by[0], 1 - width), y: within(y + by[1], 1 - height), width, height };
  move(rounded(box));
}

function within(value: number, most = 1): number {
  return Math.min(Math.max(value, 0), most);
}

function spanned([ax, ay]: [number, number], [bx, by]: [number, number]): Box {
  return rounded({ x: Math.min(ax, bx), y: Math.min(ay, by), width: Math.abs(ax - bx), height: Math.abs(ay - by) });
}

function rounded({ x, y, width, height }: Box): Box {
  const to = (value: number) => Math.round(value * 1000) / 1000;
  return { x: to(x), y: to(y), width: to(width), height: to(height) };
}

function placed({ x, y, width, height }: Box) {
  const percent = (value: number) => `${value * 100}%`;
  return { left: percent(x), top: percent(y), width: percent(width), height: percent(height) };
}
