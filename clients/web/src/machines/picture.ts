/**
 * A machine as a graph for the canvas, with how far a run of it has come. Pure, but for the width of letters.
 */

import type { EdgeLook } from "../diagram/edge.tsx";
import type { Edge, Graph, Node } from "../diagram/graph.ts";
import type { MachineModel, RegionModel, StateModel, WayModel } from "./model.ts";
import { wayKey, type Progress, type StateProgress } from "./progress.ts";

/** What a node of the picture is. */
export type Part =
  | { readonly part: "state"; readonly state: StateModel; readonly progress: StateProgress | null }
  | { readonly part: "group"; readonly state: StateModel; readonly progress: StateProgress | null }
  | { readonly part: "region"; readonly region: RegionModel }
  | { readonly part: "begin" };

/** How wide a text is, in pixels. */
export type Measure = (text: string) => number;

const STATE_HEIGHT = 50;
const NARROWEST = 112;
const WIDEST = 280;
/** The sign, the count, and the room around them. */
const BESIDE = 90;
const HEAD = 46;
const REGION_HEAD = 24;
const DOT = 14;
const LONGEST_LABEL = 34;
const LABEL_SHARE = 0.86;

/** The graph of a machine. Without `progress`, of the definition alone. */
export function pictureOf(model: MachineModel, measure: Measure, progress: Progress | null): Graph<Part, EdgeLook> {
  const picture = new Picture(model, measure, progress);
  return { nodes: picture.nodes(), edges: picture.edges() };
}

class Picture {
  readonly #model: MachineModel;
  readonly #measure: Measure;
  readonly #progress: Progress | null;

  constructor(model: MachineModel, measure: Measure, progress: Progress | null) {
    this.#model = model;
    this.#measure = measure;
    this.#progress = progress;
  }

  /** Each after the one that it is in. */
  nodes(): Node<Part>[] {
    const { initial, regions } = this.#model;
    const nodes: Node<Part>[] = initial === null ? [] : [dot("begin", undefined)];
    const add = (region: string | null) => {
      for (const state of this.#model.states) {
        if (state.region !== region) continue;
        const own = regions.filter(({ of }) => of === state.name);
        nodes.push(this.#state(state, own.length > 0));
        for (const each of own) {
          nodes.push(regionNode(each), dot(`begin/${each.id}`, each.id));
          add(each.id);
        }
      }
    };
    add(null);
    return nodes;
  }

  #state(state: StateModel, isGroup: boolean): Node<Part> {
    const progress = this.#progress?.states.get(state.name) ?? null;
    const wide = Math.max(this.#measure(state.name), this.#measure(state.does) * LABEL_SHARE) + BESIDE;
    return {
      id: idOf(state.name),
      ...(state.region === null ? {} : { parent: state.region }),
      width: Math.round(Math.min(WIDEST, Math.max(NARROWEST, wide))),
      height: STATE_HEIGHT,
      ...(isGroup ? { head: HEAD } : {}),
      data: { part: isGroup ? "group" : "state", state, progress },
    };
  }

  edges(): Edge<EdgeLook>[] {
    const { initial, regions, ways } = this.#model;
    const isBegun = this.#progress !== null && this.#progress.states.size > 0;
    const begins = regions.map(({ id, begin, of }) => [`begin/${id}`, begin, this.#wasEntered(of)] as const);
    const all = [...(initial === null ? [] : [["begin", initial, isBegun] as const]), ...begins];
    return [
      ...all.map(([from, to, isTaken]): Edge<EdgeLook> => {
        const tone = isTaken ? "taken" : "";
        return { id: `${from}>${to}`, from, to: idOf(to), data: { label: "", title: "", tone } };
      }),
      ...ways.map((way, place) => this.#way(way, place)),
    ];
  }

  #wasEntered(name: string): boolean {
    return (this.#progress?.states.get(name)?.entered ?? 0) > 0;
  }

  #way(way: WayModel, place: number): Edge<EdgeLook> {
    const { from, to, kind, says } = way;
    const short = says.length > LONGEST_LABEL ? `${says.slice(0, LONGEST_LABEL - 1)}…` : says;
    const isTaken = (this.#progress?.ways.get(wayKey(from, to)) ?? 0) > 0;
    const width = Math.round(this.#measure(short) * LABEL_SHARE + 14);
    return {
      id: `${place}`,
      from: idOf(from),
      to: idOf(to),
      ...(short === "" ? {} : { label: { width, height: 20 } }),
      data: { label: short, title: says, tone: [kind, isTaken ? "taken" : ""].join(" ").trim() },
    };
  }
}

function idOf(state: string): string {
  return `state ${state}`;
}

/** The state that a node is of; null for others. */
export function stateOf(id: string | null): string | null {
  return id?.startsWith("state ") ? id.slice("state ".length) : null;
}

/** The node of a state. */
export function nodeOf(state: string | null): string | null {
  return state === null ? null : idOf(state);
}

function regionNode(region: RegionModel): Node<Part> {
  const data: Part = { part: "region", region };
  return { id: region.id, parent: idOf(region.of), width: 120, height: 60, head: REGION_HEAD, data };
}

function dot(id: string, parent: string | undefined): Node<Part> {
  const data: Part = { part: "begin" };
  return { id, ...(parent === undefined ? {} : { parent }), width: DOT, height: DOT, data };
}
