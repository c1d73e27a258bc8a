/**
 * An editor for JSON: CodeMirror, with the app's colours.
 *
 * Laws:
 * - What is wrong stands at its line: a mark beside it, a line below the words, and the sentence where one points or
 *   moves the caret to.
 * - Escape and then Tab leaves it, as the hint says: Tab indents.
 */

import { useEffect, useRef } from "react";
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { json, jsonLanguage } from "@codemirror/lang-json";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  indentUnit,
  syntaxHighlighting,
} from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { completions } from "./completions.ts";
import type { Fault } from "./lines.ts";

const COLOURS = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--code-key)" },
  { tag: tags.string, color: "var(--code-text)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-value)" },
  { tag: [tags.separator, tags.squareBracket, tags.brace], color: "var(--soft)" },
]);

/** What moves the caret, from outside. */
export interface Caret {
  readonly goTo: (place: number) => void;
}

/** What a `JsonEditor` takes. */
export interface JsonEditorProps {
  label: string;
  /** What it begins with; a text that comes from elsewhere replaces what is there. */
  text: string;
  onChange: (text: string) => void;
  /** What is wrong in `text`. */
  faults: readonly Fault[];
  onSave: () => void;
  /** Given when it is there. */
  onReady: (caret: Caret) => void;
}

/** The editor. */
export default function JsonEditor({ label, text, onChange, faults, onSave, onReady }: JsonEditorProps) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const now = useRef({ onChange, onSave });
  useEffect(() => {
    now.current = { onChange, onSave };
  });
  useEffect(() => {
    if (box.current === null) return undefined;
    const made = new EditorView({
      parent: box.current,
      state: EditorState.create({ doc: text, extensions: extensions(label, now) }),
    });
    view.current = made;
    onReady({ goTo: (place) => goTo(made, place) });
    return () => made.destroy();
    // Made once: what comes later is given to it below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, []);
  useEffect(() => {
    const { current } = view;
    if (current === null || current.state.doc.toString() === text) return;
    current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: text } });
  }, [text]);
  useEffect(() => {
    const { current } = view;
    if (current !== null)
      current.dispatch(setDiagnostics(current.state, diagnostics(faults, current.state.doc.length)));
  }, [faults]);
  return <div className="json-editor" ref={box} />;
}

function extensions(label: string, now: { current: Pick<JsonEditorProps, "onChange" | "onSave"> }) {
  return [
    lineNumbers(),
    foldGutter(),
    lintGutter(),
    history(),
    drawSelection(),
    indentUnit.of("  "),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    autocompletion({ icons: false }),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    highlightSelectionMatches(),
    search({ top: true }),
    json(),
    jsonLanguage.data.of({ autocomplete: completions }),
    syntaxHighlighting(COLOURS),
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", tabindex: "0" }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) now.current.onChange(update.state.doc.toString());
    }),
    keymap.of([
      { key: "Mod-s", preventDefault: true, run: () => (now.current.onSave(), true) },
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...searchKeymap,
      ...historyKeymap,
      ...foldKeymap,
      ...completionKeymap,
      ...lintKeymap,
      indentWithTab,
    ]),
  ];
}

function goTo(view: EditorView, place: number): void {
  const anchor = Math.min(place, view.state.doc.length);
  view.dispatch({ selection: { anchor }, effects: EditorView.scrollIntoView(anchor, { y: "center" }) });
  view.focus();
}

/** Places that aren't there any more are left out: the text has changed since. */
function diagnostics(faults: readonly Fault[], length: number): Diagnostic[] {
  return faults
    .filter(({ to }) => to <= length)
    .map(({ from, to, severity, message }) => ({ from, to, severity, message }));
}
