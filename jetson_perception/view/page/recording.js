// The button that records streams and results, and how far the recording is.
import { element, keyed, setText } from './dom.js';

const byId = (id) => document.getElementById(id);
const UNITS = ['kB', 'MB', 'GB', 'TB'];

let running = false;
// What nobody wants to record, by name; all other streams are recorded.
const left = new Set();

export function showRecording(recording, streams) {
  byId('recording-controls').hidden = !recording.is_on;
  byId('recording-off').hidden = recording.is_on;
  if (!recording.is_on) return;
  const wasRunning = running;
  running = recording.is_running === true;
  showStreams(running ? recording.streams : streams);
  const button = byId('record');
  button.setAttribute('aria-pressed', String(running));
  setText(button, running ? 'Stop recording' : 'Record');
  button.disabled = !running && !chosen().length;
  byId('recording-mark').hidden = !running;
  const told = recording.name ? toldOf(recording) : `Recordings go to ${recording.folder}.`;
  setText(byId('recording-state'), told);
  if (running !== wasRunning) {
    setText(byId('recording-done'), running ? 'recording' : told);
    document.title = running ? '● Live view' : 'Live view';
  }
  // What the button was told stays until it is pressed again.
  if (recording.problem || running) showProblem(recording.problem);
}

function toldOf({ folder, name, seconds, bytes, skipped, lost, is_running: isRunning }) {
  const told = [duration(seconds), size(bytes)];
  if (skipped) told.push(`${skipped} ${skipped === 1 ? 'picture' : 'pictures'} skipped`);
  if (lost) told.push(`${lost} ${lost === 1 ? 'result' : 'results'} lost`);
  return `${isRunning ? 'Recording' : 'Recorded'} ${told.join(', ')}: ${folder}/${name}`;
}

function duration(seconds) {
  const digits = (number) => String(number).padStart(2, '0');
  const minutes = Math.floor(seconds / 60);
  const hours = minutes >= 60 ? `${Math.floor(minutes / 60)}:` : '';
  return `${hours}${digits(minutes % 60)}:${digits(seconds % 60)}`;
}

function size(bytes) {
  let [number, unit] = [bytes / 1000, 0];
  while (number >= 1000 && unit < UNITS.length - 1) [number, unit] = [number / 1000, unit + 1];
  return `${number.toFixed(number < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

function showStreams(topics) {
  const labels = keyed(byId('recording-streams'), topics, (topic) => topic, (topic) => {
    const box = element('input', { type: 'checkbox', value: topic });
    box.checked = !left.has(topic);
    box.addEventListener('change', () => {
      if (box.checked) left.delete(topic);
      else left.add(topic);
      byId('record').disabled = !running && !chosen().length;
    });
    return element('label', {}, box, element('span', {}, topic));
  });
  for (const label of labels) label.firstChild.disabled = running;
}

function chosen() {
  return [...byId('recording-streams').querySelectorAll('input')]
    .filter((box) => box.checked).map((box) => box.value);
}

async function record() {
  showProblem('');
  try {
    const response = await fetch('/recording', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ streams: running ? [] : chosen() }),
    });
    if (response.ok) return;
    const text = await response.text();
    showProblem(response.status === 422 ? JSON.parse(text).error : text);
  } catch (error) {
    showProblem(`The robot cannot be reached: ${error.message}`);
  }
}

function showProblem(text) {
  const problem = byId('recording-problem');
  problem.hidden = !text;
  setText(problem, text);
}

byId('record').addEventListener('click', record);
