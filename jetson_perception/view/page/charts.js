// Charts of what changes over time, as SVG.
import { drawing, element, setText } from './dom.js';

const SECONDS = 30;
// Figures come every few seconds at least: where they did not, nothing is known.
const GAP_MS = 7000;
const WIDTH = 300;
const HEIGHT = 80;

// Colors that can be told apart, on light and dark ground, also by most who see colors differently.
const COLORS = ['#1f8fd1', '#d1730f', '#199a6b', '#c259a0', '#8f7a12', '#7a6fd0', '#c4483f', '#4f9aa8'];

// Lines over the last seconds. `label` tells who does not see it what it shows now.
export class Chart {
  // Of each line, points of [time, value], and the number of its color, which it keeps.
  #lines = new Map();
  #colors = new Map();

  constructor(unit) {
    this.unit = unit;
    this.scale = element('p', { class: 'scale muted', 'aria-hidden': 'true' });
    this.svg = drawing('svg', {
      class: 'chart', role: 'img', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none',
    });
  }

  elements() {
    return [this.svg, this.scale];
  }

  // The color of a line that was added.
  color(name) {
    return COLORS[this.#colors.get(name) % COLORS.length];
  }

  add(values, label) {
    const now = performance.now();
    for (const name of values.keys()) {
      if (!this.#lines.has(name)) {
        this.#lines.set(name, []);
        this.#colors.set(name, this.#freeColor());
      }
    }
    for (const [name, points] of this.#lines) {
      points.push([now, values.get(name) ?? null]);
      while (points[0][0] < now - SECONDS * 1000) points.shift();
      if (!values.has(name) && points.every(([, value]) => value === null)) {
        this.#lines.delete(name);
        this.#colors.delete(name);
      }
    }
    this.#draw(now);
    this.svg.setAttribute('aria-label', label);
  }

  #freeColor() {
    const taken = new Set(this.#colors.values());
    let number = 0;
    while (taken.has(number)) number += 1;
    return number;
  }

  #draw(now) {
    const all = [...this.#lines.values()].flat().map(([, value]) => value);
    const top = Math.max(...all.filter((value) => value !== null), 1e-6) * 1.1;
    const grid = [0.02, 0.5, 0.98].map((part) => drawing('line', {
      class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part,
    }));
    const lines = [...this.#lines].map(([name, points]) => drawing('path', {
      class: 'line', stroke: this.color(name), d: path(points, top, now),
    }));
    setText(this.scale, `0 to ${this.unit(top)}, ${SECONDS} s`);
    this.svg.replaceChildren(...grid, ...lines);
  }
}

function path(points, top, now) {
  let text = '';
  let before = null;
  for (const [time, value] of points) {
    if (value !== null) {
      const x = WIDTH * (1 - (now - time) / (SECONDS * 1000));
      const y = HEIGHT - (value / top) * HEIGHT;
      const isOpen = before !== null && time - before < GAP_MS;
      text += `${isOpen ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    }
    before = value === null ? null : time;
  }
  return text;
}
