// Sliders and toggles that set parameters of nodes while they run.
import { element, setText } from './dom.js';

const byId = (id) => document.getElementById(id);

export async function readSettings() {
  const change = ++changes;
  let parameters;
  try {
    const response = await fetch('/parameters');
    if (!response.ok) throw new Error(await response.text());
    parameters = await response.json();
  } catch (error) {
    showProblem(`The settings cannot be read: ${error.message}`, change);
    return;
  }
  dropProblem(change);
  const nodes = Map.groupBy
    ? Map.groupBy(parameters, (one) => one.node)
    : grouped(parameters);
  byId('settings').replaceChildren(...[...nodes].map(([, ofNode]) => element(
    'fieldset', {}, element('legend', {}, ofNode[0].node_shown), ...ofNode.map(control))));
}

function grouped(parameters) {
  const nodes = new Map();
  for (const one of parameters) nodes.set(one.node, [...(nodes.get(one.node) ?? []), one]);
  return nodes;
}

function control(parameter) {
  if (parameter.kind === 'number') return slider(parameter);
  if (parameter.kind === 'classes') return toggles(parameter);
  if (parameter.kind === 'switch') return toggle(parameter);
  return element('p', { class: 'muted' }, parameter.value);
}

let ids = 0;

function slider(parameter) {
  const id = `setting-${ids++}`;
  const input = element('input', {
    type: 'range', id, min: parameter.from, max: parameter.to,
    step: (parameter.to - parameter.from) / 100, 'aria-describedby': `${id}-about`,
  });
  input.value = parameter.value;
  let taken = input.value;
  const shown = element('output', { for: id, class: 'number' }, Number(input.value).toFixed(2));
  input.addEventListener('input', () => setText(shown, Number(input.value).toFixed(2)));
  input.addEventListener('change', async () => {
    if (await set(parameter, Number(input.value))) taken = input.value;
    else input.value = taken;
    setText(shown, Number(input.value).toFixed(2));
  });
  const about = element(
    'span', { id: `${id}-about`, class: 'visually-hidden' }, parameter.description);
  return element('div', { class: 'slider', title: parameter.description },
    element('label', { for: id }, parameter.name), input, shown, about);
}

function toggle(parameter) {
  const box = element('input', { type: 'checkbox' });
  box.checked = parameter.value;
  box.addEventListener('change', async () => {
    if (!await set(parameter, box.checked)) box.checked = !box.checked;
  });
  return element('div', { class: 'classes', title: parameter.description },
    element('label', {}, box, element('span', {}, parameter.name)));
}

// None chosen publishes all classes, as the parameter has it.
function toggles(parameter) {
  const chosen = new Set(parameter.value);
  const boxes = parameter.choices.map((name) => {
    const box = element('input', { type: 'checkbox' });
    box.checked = chosen.size === 0 || chosen.has(name);
    box.value = name;
    return box;
  });
  const told = element('span');
  const count = () => setText(told, `${parameter.name}: `
    + `${boxes.filter((box) => box.checked).length} of ${boxes.length} classes`);
  for (const box of boxes) {
    box.addEventListener('change', async () => {
      const names = boxes.filter((one) => one.checked).map((one) => one.value);
      if (names.length === 0) {
        box.checked = true;
        showProblem(`${parameter.name}: at least one class has to stay`, ++changes);
      } else if (!await set(parameter, names.length === boxes.length ? [] : names)) {
        box.checked = !box.checked;
      }
      count();
    });
  }
  count();
  if (!boxes.length) setText(told, `${parameter.name}: the classes are not known yet`);
  const labels = boxes.map((box) => element('label', {}, box, element('span', {}, box.value)));
  return element('details', boxes.length > 12 ? {} : { open: '' }, element('summary', {}, told),
    element('div', { class: 'classes', role: 'group', 'aria-label': parameter.name }, ...labels));
}

// A parameter's changes go one after another, so that the last one stays.
const underWay = new Map();

function set(parameter, value) {
  const change = ++changes;
  const key = `${parameter.node} ${parameter.name}`;
  const done = (underWay.get(key) ?? Promise.resolve()).then(
    () => send(parameter, value, change));
  underWay.set(key, done);
  return done;
}

async function send({ node, name }, value, change) {
  try {
    const response = await fetch('/parameters', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ node, name, value }),
    });
    if (response.ok) {
      dropProblem(change);
      setText(byId('settings-done'), `${name} is set`);
      return true;
    }
    const text = await response.text();
    showProblem(response.status === 422 ? JSON.parse(text).error : text, change);
  } catch (error) {
    showProblem(`${name} was not set: ${error.message}`, change);
  }
  return false;
}

// Changes are numbered, so that an answer that comes late leaves what was said of a later one.
let changes = 0;
let changeOfProblem = 0;

function showProblem(text, change) {
  changeOfProblem = change;
  writeProblem(text);
}

function dropProblem(change) {
  if (changeOfProblem <= change) writeProblem('');
}

function writeProblem(text) {
  const problem = byId('settings-problem');
  problem.hidden = !text;
  setText(problem, text);
}
