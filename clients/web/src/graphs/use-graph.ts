/**
 * A graph that somebody is working on: kept until it is saved, checked as it changes, saved with its base.
 *
 * Laws:
 * - What was drawn stays until it was saved or thrown away, also over a reload of the tab: as for half-written forms.
 * - Saving names the version that the work began with. Where there is a newer one, nothing is overwritten: both are
 *   shown, and the person says what becomes of them.
 */

import { useEffect, useState } from "react";
import type { Client, DefinedGraph, GraphDefinition, GraphVersion, InterlockError } from "@interlock/client";
import { useInterlock } from "@interlock/client/react";
import { announce } from "../ui/announcer.tsx";
import { dropDrafts, useDraft, whenDraftsDrop } from "../ui/draft.ts";
import { errorOf } from "../ui/use-answer.ts";
import { Faults, placedIn } from "./faults.ts";
import { definitionOf, graphOf, type Change, type Graph } from "./model.ts";
import { begun, done, redone, undone, type Work } from "./steps.ts";

/** What is kept of unsaved work. */
export interface KeptWork {
  graph: Graph;
  /** The version that it was made of; null for a graph that is new. */
  base: string | null;
}

/** What unsaved work on a graph is kept under. */
export function keptAs(name: string): string {
  return `graph ${name}/work`;
}

/** What was done, for as long as the page isn't loaded anew. */
const histories = new Map<string, Work>();
whenDraftsDrop(() => histories.clear());

/** The work on a graph. */
export interface Working {
  readonly graph: Graph;
  readonly base: string | null;
  readonly isChanged: boolean;
  /** Null is no change. */
  readonly change: (change: Change | null) => void;
  readonly undo: (() => void) | null;
  readonly redo: (() => void) | null;
  /** Back to what is saved. */
  readonly discard: () => void;
  /** From now on the work is made of another version, which says `saved`; with what is changed by that. */
  readonly rebase: (base: string, saved: Graph, change?: Change) => void;
}

interface Origin {
  /** The version that the work is made of, and what it says. */
  readonly base: string | null;
  readonly saved: Graph;
}

/** Work on a graph, of which `saved` is what the version `base` says. */
export function useWork(name: string, saved: Graph, base: string | null): Working {
  const [kept, keep] = useDraft<KeptWork | null>(keptAs(name), null);
  const [{ work, origin }, set] = useState<{ work: Work; origin: Origin }>(() => ({
    work: workOn(name, kept?.graph ?? saved),
    origin: { base: kept === null ? base : kept.base, saved },
  }));
  const { graph } = work;
  const isChanged = origin.base === null || (graph !== origin.saved && textOf(graph) !== textOf(origin.saved));
  useEffect(() => {
    histories.set(name, work);
    if (isChanged) keep({ graph: work.graph, base: origin.base });
    else dropDrafts(keptAs(name));
  }, [name, work, origin, isChanged, keep]);
  // Each is about the work as it is by then: what is drawn while it is being saved isn't lost.
  const step = (next: (work: Work, origin: Origin) => Work) =>
    set((now) => ({ ...now, work: next(now.work, now.origin) }));
  return {
    graph,
    base: origin.base,
    isChanged,
    change: (change) => change !== null && step((now) => done(now, change)),
    undo: work.undos.length === 0 ? null : () => step(undone),
    redo: work.redos.length === 0 ? null : () => step(redone),
    discard: () => step((_now, { saved: before }) => begun(before)),
    rebase: (to, now, change) =>
      set((before) => ({
        work: change ? done(before.work, change) : before.work,
        origin: { base: to, saved: now },
      })),
  };
}

function workOn(name: string, graph: Graph): Work {
  const before = histories.get(name);
  return before !== undefined && textOf(before.graph) === textOf(graph) ? before : begun(graph);
}

function textOf(graph: Graph): string {
  return JSON.stringify(definitionOf(graph));
}

/** The graph as the server's own. */
export function asDefinition(graph: Graph): GraphDefinition {
  return definitionOf(graph) as unknown as GraphDefinition;
}

// ── Checking ──────────────────────────────────────────────────────────────────────────────────────────

const PAUSE_MS = 350;

/** What is wrong with the graph; of the one before, while the newest is still checked. */
export function useFaults(graph: Graph): { faults: Faults; isChecking: boolean; problem: string | null } {
  const { client, connection } = useInterlock();
  const isLive = connection.phase === "live";
  const [known, setKnown] = useState<{ of: Graph | null; faults: Faults; problem: string | null }>({
    of: null,
    faults: Faults.none,
    problem: null,
  });
  useEffect(() => {
    let isOver = false;
    const timer = setTimeout(
      () => void checked(client, graph).then((found) => !isOver && setKnown({ of: graph, ...found })),
      PAUSE_MS,
    );
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
    // Asked again when the connection is back.
  }, [client, graph, isLive]);
  return { faults: known.faults, isChecking: known.of !== graph, problem: known.problem };
}

async function checked(client: Client, graph: Graph): Promise<{ faults: Faults; problem: string | null }> {
  try {
    const { errors = [], warnings = [] } = await client.graphs.validate(asDefinition(graph));
    return { faults: placedIn(graph, errors, warnings), problem: null };
  } catch (error) {
    return { faults: Faults.none, problem: errorOf(error).message };
  }
}

// ── Saving ────────────────────────────────────────────────────────────────────────────────────────────

/** What somebody else saved meanwhile. */
export interface Conflict {
  readonly theirs: Graph;
  readonly version: GraphVersion;
}

/** Saving, and what it came to. */
export interface Saving {
  readonly isBusy: boolean;
  readonly error: InterlockError | null;
  readonly conflict: Conflict | null;
  /** The id of the version that has been made; null where none was. */
  readonly save: (beside?: "theirs") => Promise<string | null>;
  readonly settle: () => void;
}

/** Saves work as the next draft. */
export function useSaving(working: Working, onSaved: () => void): Saving {
  const { client } = useInterlock();
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<InterlockError | null>(null);
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const save = async (beside?: "theirs") => {
    const { graph, base } = working;
    setBusy(true);
    setError(null);
    try {
      const sent = asDefinition(graph);
      const on = beside === undefined ? base : null;
      const made = base === null ? await client.graphs.create(sent) : await client.graphs.save(sent, on);
      working.rebase(made.version_id, graph);
      setConflict(null);
      announce("Saved.");
      onSaved();
      return made.version_id;
    } catch (fault) {
      const known = errorOf(fault);
      const found = known.code === "conflict" ? await newest(client, graph.name).catch(() => null) : null;
      if (found) setConflict({ theirs: graphOf(found.definition as never), version: found });
      else setError(known);
      return null;
    } finally {
      setBusy(false);
    }
  };
  return { isBusy, error, conflict, save, settle: () => setConflict(null) };
}

async function newest(client: Client, name: string): Promise<DefinedGraph | null> {
  const [version] = await client.graphs.versions(name);
  return version ? await client.graphs.version(name, version.version_id) : null;
}
