// Charts of what changes over time, as SVG.
import { drawing, element, setText } from './dom.js';

const POINTS = 150;
const POINTS_PER_S = 5;
const WIDTH = 300;
const HEIGHT = 80;

// Colors that can be told apart, on light and dark ground, also by most who see colors differently.
const COLORS = ['#1f8fd1', '#d1730f', '#199a6b', '#c259a0', '#8f7a12', '#7a6fd0', '#c4483f', '#4f9aa8'];

export const color = (index) => COLORS[index % COLORS.length];

// Lines over the last points. `label` tells who does not see it what it shows now.
export class Chart {
  constructor(unit) {
    this.lines = new Map();
    this.unit = unit;
    this.scale = element('p', { class: 'scale muted', 'aria-hidden': 'true' });
    this.svg = drawing('svg', {
      class: 'chart', role: 'img', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none',
    });
  }

  elements() {
    return [this.svg, this.scale];
  }

  add(values, label) {
    for (const name of values.keys()) if (!this.lines.has(name)) this.lines.set(name, []);
    for (const [name, points] of this.lines) {
      points.push(values.get(name) ?? null);
      if (points.length > POINTS) points.shift();
    }
    this.#draw();
    this.svg.setAttribute('aria-label', label);
  }

  #draw() {
    const all = [...this.lines.values()].flat().filter((value) => value !== null);
    const top = Math.max(...all, 1e-6) * 1.1;
    const grid = [0.02, 0.5, 0.98].map((part) => drawing('line', {
      class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part,
    }));
    const lines = [...this.lines.values()].map((points, index) => drawing('path', {
      class: 'line', stroke: color(index), d: path(points, top),
    }));
    setText(this.scale, `0 to ${this.unit(top)}, ${POINTS / POINTS_PER_S} s`);
    this.svg.replaceChildren(...grid, ...lines);
  }
}

function path(points, top) {
  let text = '';
  let isOpen = false;
  points.forEach((value, i) => {
    if (value === null) {
      isOpen = false;
      return;
    }
    const x = WIDTH - (points.length - 1 - i) * (WIDTH / (POINTS - 1));
    const y = HEIGHT - (value / top) * HEIGHT;
    text += `${isOpen ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    isOpen = true;
  });
  return text;
}
