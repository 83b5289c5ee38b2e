// Sliders and toggles that set parameters of nodes while they run.
import { element, keyed, setText } from './dom.js';
import { changeCount, isSending, Setting, whenIdle } from './setting.js';
import { dropUnread, sayUnread } from './setting_problem.js';

const all = document.getElementById('settings');
// Of each block of a node, what was made for its parameters, by name.
const settings = new WeakMap();

let isReading = false;
let isWanted = false;
// A block that was read has to wait: somebody uses the one that it replaces.
let isPutOff = false;

export async function readSettings() {
  isWanted = true;
  if (isReading) return;
  isReading = true;
  try {
    while (isWanted) await readOnce();
  } finally {
    isReading = false;
  }
}

async function readOnce() {
  await whenIdle();
  isWanted = false;
  const change = changeCount();
  let parameters;
  try {
    const response = await fetch('/parameters');
    if (!response.ok) throw new Error(await response.text());
    parameters = await response.json();
  } catch (error) {
    sayUnread(`The settings cannot be read: ${error.message}`, change);
    return;
  }
  // It may have begun before what was set meanwhile.
  if (isSending() || changeCount() !== change) {
    isWanted = true;
    return;
  }
  dropUnread();
  show(parameters);
}

all.addEventListener('focusout', ({ relatedTarget }) => {
  if (isPutOff && !all.contains(relatedTarget)) readSettings();
});

function show(parameters) {
  const nodes = [...grouped(parameters)].map(([, ofNode]) => ofNode);
  const used = [...all.children].find((block) => block.contains(document.activeElement));
  isPutOff = Boolean(used) && !nodes.some((ofNode) => made(ofNode) === used.dataset.key);
  if (isPutOff) return;
  keyed(all, nodes, made, block).forEach((shown, i) => {
    for (const one of nodes[i]) settings.get(shown).get(one.name)?.read(one.value);
  });
}

function grouped(parameters) {
  const nodes = new Map();
  for (const one of parameters) nodes.set(one.node, [...(nodes.get(one.node) ?? []), one]);
  return nodes;
}

// All that controls are made of: where only a value is another one, they stay.
function made(ofNode) {
  return JSON.stringify(ofNode.map((one) => (one.kind === 'problem' ? one : { ...one, value: 0 })));
}

function block(ofNode) {
  const ofBlock = new Map();
  const controls = ofNode.map((parameter) => {
    const [shown, setting] = control(parameter);
    if (setting) ofBlock.set(parameter.name, setting);
    return shown;
  });
  const shown = element('fieldset', {}, element('legend', {}, ofNode[0].node_shown), ...controls);
  settings.set(shown, ofBlock);
  return shown;
}

function control(parameter) {
  if (parameter.kind === 'number') return slider(parameter);
  if (parameter.kind === 'classes') return toggles(parameter);
  if (parameter.kind === 'switch') return toggle(parameter);
  return [element('p', { class: 'muted' }, parameter.value), null];
}

let ids = 0;

function slider(parameter) {
  const id = `setting-${ids++}`;
  const step = (parameter.to - parameter.from) / 100;
  const input = element('input', {
    type: 'range', id, min: parameter.from, max: parameter.to, step,
    'aria-describedby': `${id}-about`,
  });
  const shown = element('output', { for: id, class: 'number' });
  const write = (value) => {
    const text = numeral(value, step);
    setText(shown, text);
    input.setAttribute('aria-valuetext', text);
  };
  // Where it was put last; it is elsewhere while somebody moves it.
  let put = input.value;
  const setting = new Setting(parameter, parameter.value, (value) => {
    if (input.value !== put) return;
    input.value = value;
    put = input.value;
    write(value); // which may be between two steps
  });
  input.addEventListener('input', () => write(Number(input.value)));
  input.addEventListener('change', () => {
    put = input.value;
    setting.change(Number(input.value));
  });
  // Who moves it back to where it was changes nothing: a browser says so by no `change`.
  const rest = () => setTimeout(() => {
    put = input.value;
    setting.rest();
  });
  for (const ending of ['pointerup', 'pointercancel', 'blur']) input.addEventListener(ending, rest);
  setting.rest();
  const about = element(
    'span', { id: `${id}-about`, class: 'visually-hidden' }, parameter.description);
  return [element('div', { class: 'slider', title: parameter.description },
    element('label', { for: id }, parameter.name), input, shown, about), setting];
}

// With the digits that a step has, and with more where the value needs them.
function numeral(value, step) {
  const digits = Math.min(Math.max(Math.ceil(-Math.log10(step) - 1e-9), 0), 6);
  const [short, long] = [value.toFixed(digits), value.toFixed(6)];
  return Number(short) === Number(long) ? short : String(Number(long));
}

function toggle(parameter) {
  const box = element('input', { type: 'checkbox' });
  const setting = new Setting(parameter, parameter.value, (value) => { box.checked = value; });
  box.addEventListener('change', () => setting.change(box.checked));
  setting.rest();
  return [element('div', { class: 'classes', title: parameter.description },
    element('label', {}, box, element('span', {}, parameter.name))), setting];
}

// Each change says which class is on or off now: what others changed meanwhile stays.
function toggles(parameter) {
  const boxes = parameter.choices.map((value) => element('input', { type: 'checkbox', value }));
  const told = element('span');
  const count = () => setText(told, !boxes.length
    ? `${parameter.name}: the classes are not known yet`
    : `${parameter.name}: ${boxes.filter((box) => box.checked).length} of ${boxes.length} classes`
      + (parameter.more ? `; ${parameter.more} more are not shown, and stay as they are` : ''));
  const show = (areOn) => {
    for (const box of boxes) box.checked = areOn[box.value] ?? true;
    count();
  };
  const merge = (older, newer) => ({ ...older, ...newer });
  const setting = new Setting(parameter, {}, show, merge);
  for (const box of boxes) {
    box.addEventListener('change', () => {
      if (!parameter.more && !boxes.some((one) => one.checked)) {
        box.checked = true;
        setting.refuse(`${parameter.name}: at least one class has to stay`);
      } else {
        setting.change({ [box.value]: box.checked });
      }
      count();
    });
  }
  // None chosen publishes all classes, as the parameter has it.
  const read = (chosen) => setting.read(Object.fromEntries(parameter.choices.map(
    (name) => [name, chosen.length === 0 || chosen.includes(name)])));
  read(parameter.value);
  const labels = boxes.map((box) => element('label', {}, box, element('span', {}, box.value)));
  const shown = element('details', boxes.length > 12 ? {} : { open: '' }, element('summary', {}, told),
    element('div', { class: 'classes', role: 'group', 'aria-label': parameter.name }, ...labels));
  return [shown, { read }];
}
