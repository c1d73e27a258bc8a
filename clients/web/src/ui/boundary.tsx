/**
 * What is shown where a part of the page can't be.
 *
 * Laws:
 * - What fails takes nothing else along: the navigation stays, and so does the way to all other pages.
 */

import { Component, type ReactNode } from "react";
import { Notice } from "./notice.tsx";

interface State {
  hasFailed: boolean;
}

/** A part of the page that may fail by itself: its code can't be loaded while the server is away, say. */
export class Boundary extends Component<{ children: ReactNode; fallback?: ReactNode }, State> {
  override state: State = { hasFailed: false };

  static getDerivedStateFromError(): State {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children;
    if (this.props.fallback !== undefined) return this.props.fallback;
    return (
      <Notice tone="fault" again={() => location.reload()} action="Load the page again">
        This can’t be shown. The server may be away, or be another version than this page.
      </Notice>
    );
  }
}
