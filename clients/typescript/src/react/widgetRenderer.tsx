/**
 * A widget, where a run waits for an interaction with one.
 *
 * Laws:
 * - Another bundle, version or list of events is another widget; other props are an update of the one there is.
 * - What it calls is always the newest function that it was given.
 * - A draft is what it begins with: later ones come from the widget itself.
 */

import { useContext, useEffect, useRef } from "react";
import { renderWidget, type RenderedWidget, type WidgetOptions } from "../widgets/render.js";
import { ClientContext } from "./context.js";

/** What a `WidgetRenderer` takes: as `renderWidget`, and the server is that of the client of the page. */
export interface WidgetRendererProps extends WidgetOptions {
  className?: string | undefined;
}

/** A widget, in a frame of its own. */
export function WidgetRenderer(props: WidgetRendererProps) {
  const client = useContext(ClientContext);
  const { widget, module, theme, title, maxHeight, server = client?.url } = props;
  const mount = module?.mount;
  const isFollowing = theme === undefined;
  const container = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  const rendered = useRef<RenderedWidget>(null);
  const sent = useRef("");
  const shown = JSON.stringify(widget.props ?? {});
  const kept = JSON.stringify([widget.bundle, widget.version, widget.events, widget.confirm]);
  useEffect(() => {
    latest.current = props;
  });
  useEffect(() => {
    if (container.current === null) return;
    const made = renderWidget(container.current, {
      ...latest.current,
      server,
      title,
      maxHeight,
      onInteraction: (event, data) => latest.current.onInteraction(event, data),
      onDraft: (data) => latest.current.onDraft?.(data),
      onError: (error) => latest.current.onError?.(error),
      onMounted: () => latest.current.onMounted?.(),
    });
    rendered.current = made;
    sent.current = JSON.stringify(latest.current.widget.props ?? {});
    return () => made.unmount();
  }, [kept, mount, isFollowing, title, maxHeight, server]);
  useEffect(() => {
    if (theme) rendered.current?.setTheme(theme);
  }, [theme]);
  useEffect(() => {
    if (sent.current === shown) return;
    sent.current = shown;
    rendered.current?.update(latest.current.widget.props ?? {});
  }, [shown]);
  return <div ref={container} className={props.className} />;
}
