// Results and figures in words: diagnostics, latency, class ratios, detections.
import { Chart } from './charts.js';
import { element, keyed, setText } from './dom.js';

const byId = (id) => document.getElementById(id);
const number = (value, digits = 1) => (value === null ? '–' : value.toFixed(digits));
const WORST = ['error', 'warning', 'stale', 'ok'];

export function showDiagnostics(statuses) {
  const sorted = [...statuses].sort((a, b) => WORST.indexOf(a.level) - WORST.indexOf(b.level));
  keyed(byId('diagnostics'), sorted, (status) => status.name, () => element(
    'li', {}, element('span', { class: 'level' }), element('b'), element('div')));
  sorted.forEach((status, i) => {
    const [level, name, message] = byId('diagnostics').children[i].children;
    level.className = `level ${status.level}`;
    setText(level, status.level);
    setText(name, status.name);
    setText(message, status.message);
  });
}

const latencies = new Map();

export function showEngines(engines) {
  const name = (one) => `${one.engine} ${one.input}`;
  const blocks = keyed(byId('engines'), engines, name, (one) => {
    const chart = new Chart((ms) => `${number(ms, 0)} ms`);
    latencies.set(name(one), chart);
    return element('div', {}, element('h3'), element('p', { class: 'muted' }), ...chart.elements(),
      element('ul', { class: 'legend' }), element('p'));
  });
  engines.forEach((one, i) => {
    const [title, runtime, , , legend, counts] = blocks[i].children;
    const total = one.stages.filter((stage) => stage.name === 'total');
    const stages = total.length ? total : one.stages;
    const values = new Map();
    for (const stage of stages) {
      values.set(`${stage.name}, median`, stage.median);
      values.set(`${stage.name}, 99 %`, stage.p99);
    }
    const told = new Map([...values].map(([what, ms]) => [what, `${what}: ${number(ms)} ms`]));
    setText(title, `${one.engine}: ${number(one.rate)} Hz`);
    setText(runtime, one.runtime ? `${one.runtime}; ${one.input}` : one.input);
    const chart = latencies.get(name(one));
    chart.add(values, `latency of ${one.engine}: ${[...told.values()].join(', ')}`);
    showLegend(legend, chart, told);
    setText(counts, `processed ${one.processed}, skipped ${one.skipped}, failed ${one.failed}, `
      + `lost ${one.lost}`);
  });
}

// A text for each line of the chart that has a value now.
function showLegend(list, chart, told) {
  const items = keyed(list, [...told.keys()], (name) => name, () => element(
    'li', {}, element('span', { class: 'key', 'aria-hidden': 'true' }), element('span')));
  [...told].forEach(([name, text], i) => {
    items[i].firstChild.style.background = chart.color(name);
    setText(items[i].lastChild, text);
  });
}

const ratios = new Map();

export function showAreas(areas) {
  const blocks = keyed(byId('areas'), areas, (area) => area.engine, (area) => {
    const chart = new Chart((ratio) => `${number(100 * ratio)} %`);
    ratios.set(area.engine, chart);
    return element('div', {}, element('h3'), ...chart.elements(), element('ul', { class: 'legend' }));
  });
  areas.forEach((area, i) => {
    const [title, , , legend] = blocks[i].children;
    // The first class is the background, beside which the others could not be seen.
    const classes = area.classes.length > 1 ? area.classes.slice(1, 9) : area.classes;
    const told = new Map(classes.map((one) => [
      one.name, `${one.name}: ${number(100 * (one.ratio ?? 0), 2)} %`]));
    setText(title, area.engine);
    const values = new Map(classes.map((one) => [one.name, one.ratio]));
    const chart = ratios.get(area.engine);
    chart.add(values, `class ratios of ${area.engine}: ${[...told.values()].join(', ')}`);
    showLegend(legend, chart, told);
  });
}

const COLUMNS = ['class', 'score', 'id', 'center', 'size'];
const IS_NUMBER = new Set(['score', 'center', 'size']);

export function showDetections(detections) {
  const blocks = keyed(byId('detections'), detections, (one) => one.engine, () => {
    const head = COLUMNS.map((name) => element(
      'th', { scope: 'col', class: IS_NUMBER.has(name) ? 'number' : null }, name));
    const table = element('table', {}, element('caption'),
      element('thead', {}, element('tr', {}, ...head)), element('tbody'));
    return element('div', { class: 'scroll', tabindex: '0', role: 'region' }, table);
  });
  detections.forEach((one, i) => {
    const table = blocks[i].firstChild;
    const more = one.count > one.objects.length ? `, the first ${one.objects.length}` : '';
    setText(table.caption, `${one.engine}: ${one.count} found${more}`);
    blocks[i].setAttribute('aria-label', `Detections of ${one.engine}`);
    const rows = keyed(table.tBodies[0], one.objects.map((_, row) => row), (row) => row, () =>
      element('tr', {}, ...COLUMNS.map((name) => element(
        'td', { class: IS_NUMBER.has(name) ? 'number' : null }))));
    one.objects.forEach((object, row) => {
      const texts = [object.class, number(object.score, 2), object.id || '–',
        object.center.map((value) => number(value, 0)).join(', '),
        object.size.map((value) => number(value, 0)).join(' × ')];
      texts.forEach((text, column) => setText(rows[row].children[column], text));
    });
  });
}
