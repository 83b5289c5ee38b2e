// Follows the robot's state over a WebSocket, while the page is looked at.
import { showAreas, showDetections, showDiagnostics, showEngines } from './figures.js';
import { showRecording } from './recording.js';
import { readSettings } from './settings.js';
import { setLinkLost, showStreams } from './streams.js';
import { setText } from './dom.js';

const AGAIN_MS = 1000;
// What the server answers who could have a WebSocket, and asks for none.
const NO_SOCKET = 400;
// The server says something every five seconds. A link that is gone says nothing, for a quarter of an
// hour.
const SILENT_MS = 12_000;
// Nodes that were started a moment ago are asked for their settings once they are active; of what was
// set, several changes are read at once.
const SETTLED_MS = 1500;
const CHANGED_MS = 200;

let socket = null;
let nodes = '';
// The state's number of changes of settings, by whomever.
let settings = null;
let timer = 0;
let silence = 0;
let settling = 0;
let changing = 0;

function connection(text, lost) {
  const line = document.getElementById('connection');
  line.classList.toggle('lost', lost);
  setText(line, text);
}

function open() {
  clearTimeout(timer);
  if (document.hidden || socket !== null) return;
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const opened = new WebSocket(`${scheme}://${location.host}/state`);
  let hasOpened = false;
  opened.onopen = () => {
    hasOpened = true;
    connection('connected', false);
    settings = null; // which may have changed meanwhile
    setLinkLost(false);
    listen();
  };
  opened.onmessage = (message) => {
    listen();
    show(JSON.parse(message.data));
  };
  opened.onclose = () => {
    lost();
    if (!hasOpened) askWhy();
  };
  socket = opened;
  listen();
}

// Wait for what the server says next, or for an answer at all.
function listen() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    setLinkLost(true); // which pictures had too
    leave();
    lost();
  }, SILENT_MS);
}

function leave() {
  clearTimeout(silence);
  if (socket === null) return;
  for (const event of ['onopen', 'onmessage', 'onclose']) socket[event] = null;
  socket.close();
  socket = null;
}

function lost() {
  clearTimeout(silence);
  socket = null;
  connection('the robot cannot be reached; trying again …', true);
  timer = setTimeout(open, AGAIN_MS);
}

// A browser does not say why a WebSocket was refused; asked in another way, the server does.
async function askWhy() {
  let response;
  let text;
  try {
    response = await fetch('/state');
    text = (await response.text()).trim();
  } catch {
    return; // it cannot be reached
  }
  // After a restart sessions are gone. The browser's way back leads here.
  if (response.status === 401) location.assign('/login');
  else if (!response.ok && response.status !== NO_SOCKET && socket?.readyState !== WebSocket.OPEN) {
    connection(`${text}; trying again …`, true);
  }
}

function show(state) {
  showStreams(state.streams);
  showRecording(state.recording, state.streams);
  showDiagnostics(state.diagnostics);
  showEngines(state.engines);
  showAreas(state.areas);
  showDetections(state.detections);
  const told = [...state.engines.map((one) => one.engine), ...state.diagnostics.map((one) => one.name)];
  const seen = told.sort().join(' ');
  if (seen !== nodes) {
    nodes = seen;
    clearTimeout(settling);
    settling = setTimeout(readSettings, SETTLED_MS);
  }
  if (state.settings !== settings) {
    settings = state.settings;
    clearTimeout(changing);
    changing = setTimeout(readSettings, CHANGED_MS);
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) leave();
  open();
});
document.getElementById('read-settings').addEventListener('click', readSettings);
open();
