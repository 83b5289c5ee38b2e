// How pictures are sent: what somebody chooses, which the browser keeps, as far as it can be done.
import { canDecode } from './video.js';

const KEPT_AS = 'way';
const select = document.getElementById('way');

const isDecoded = await canDecode();
if (!isDecoded) {
  select.querySelector('[value=h264]').disabled = true;
  document.getElementById('way-hint').hidden = false;
}
const kept = [...select.options].find((option) => option.value === read());
if (kept && !kept.disabled) select.value = kept.value;

// What the server is asked for: 'h264', 'automatic', or '' for files.
export function wish() {
  return isDecoded && select.value !== 'mjpeg' ? select.value : '';
}

// Calls once something else is chosen, until `signal` is aborted.
export function onChoice(call, signal) {
  select.addEventListener('change', call, { signal });
}

select.addEventListener('change', () => {
  try {
    localStorage.setItem(KEPT_AS, select.value);
  } catch {
    // The browser keeps nothing: then it holds for this page.
  }
});

function read() {
  try {
    return localStorage.getItem(KEPT_AS);
  } catch {
    return null;
  }
}
