/** A chart, drawn on a canvas in the colours of the page; loaded when the first one comes. */

import { useEffect, useRef, useSyncExternalStore } from "react";
import {
  ArcElement,
  BarController,
  BarElement,
  CategoryScale,
  Chart as Drawing,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PieController,
  PointElement,
  Tooltip,
} from "chart.js";
import type { Chart } from "./shapes.ts";

Drawing.register(
  ArcElement,
  BarController,
  BarElement,
  CategoryScale,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PieController,
  PointElement,
  Tooltip,
);

const COLOURS = ["--accent-fill", "--ask", "--good", "--bad", "--soft", "--accent"];

function subscribe(listener: () => void): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const attributes = new MutationObserver(listener);
  attributes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  dark.addEventListener("change", listener);
  return () => {
    attributes.disconnect();
    dark.removeEventListener("change", listener);
  };
}

/** Which of its looks the page has now. */
const lookNow = () =>
  `${document.documentElement.getAttribute("data-theme")} ${matchMedia("(prefers-color-scheme: dark)").matches}`;

/** The chart. */
export default function ChartCanvas({ chart }: { chart: Chart }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const look = useSyncExternalStore(subscribe, lookNow);
  useEffect(() => {
    if (canvas.current === null) return undefined;
    const drawing = drawn(canvas.current, chart);
    return () => drawing.destroy();
  }, [chart, look]);
  const names = chart.series.map(({ name }) => name).join(", ");
  return (
    <div className="chart-canvas">
      <canvas ref={canvas} role="img" aria-label={`${WORDS[chart.kind]} of ${chart.title ?? names}`} />
    </div>
  );
}

const WORDS: Record<Chart["kind"], string> = { bar: "Bar chart", line: "Line chart", pie: "Pie chart" };

function drawn(canvas: HTMLCanvasElement, { kind, labels, series }: Chart): Drawing {
  // A colour of the page is light-dark(…), which only an element resolves.
  const colour = (name: string) => {
    canvas.style.color = `var(${name})`;
    return getComputedStyle(canvas).color;
  };
  const [line, text] = [colour("--line"), colour("--text")];
  const colours = COLOURS.map(colour);
  canvas.style.color = "";
  const of = (at: number) => colours[at % colours.length] ?? text;
  const datasets = series.map(({ name, values }, at) => ({
    label: name,
    data: [...values],
    backgroundColor: kind === "pie" ? values.map((_, place) => of(place)) : of(at),
    borderColor: kind === "pie" ? line : of(at),
    borderWidth: kind === "bar" ? 0 : 2,
  }));
  const axis = { grid: { color: line }, ticks: { color: text } };
  return new Drawing(canvas, {
    type: kind,
    data: { labels: [...labels], datasets },
    options: {
      animation: false,
      maintainAspectRatio: false,
      plugins: { legend: { display: kind === "pie" || series.length > 1, labels: { color: text } } },
      ...(kind === "pie" ? {} : { scales: { x: axis, y: { ...axis, beginAtZero: kind === "bar" } } }),
    },
  });
}
