// Makes elements. Texts come from the robot's graph, so they are only ever text, never HTML.

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function drawing(name, attributes = {}, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// One child of `parent` for each item, kept from call to call: focus and scroll positions stay.
export function keyed(parent, items, key, make) {
  const kept = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = items.map((item) => {
    const name = String(key(item));
    const child = kept.get(name) ?? make(item);
    child.dataset.key = name;
    kept.delete(name);
    return child;
  });
  // Names that were cut may be equal: what is left over goes, whatever its key.
  const stays = new Set(wanted);
  for (const child of [...parent.children].filter((one) => !stays.has(one))) {
    child.dispatchEvent(new CustomEvent('gone'));
    child.remove();
  }
  wanted.forEach((child, i) => {
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
  return wanted;
}

export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
