/** Small helpers that keep the page's elements, and so its focus, while their contents change. */

/** The element with `data-part="name"` in `root`. */
export const part = (root, name) => root.querySelector(`[data-part="${name}"]`);

/** A copy of the element in `<template id="...">`. */
export const copyOf = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** Set the text, unless it is there already: screen readers read out what is set. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make `list` show `items` in order; an item keeps its element as long as it keeps its `key`. */
export function renderList(list, items, create, update) {
  const keys = new Set(items.map((item) => item.key));
  const present = new Map();
  for (const element of [...list.children]) {
    // Remove old items first: moving an element loses its focus, removing its neighbour does not.
    if (keys.has(element.dataset.key)) present.set(element.dataset.key, element);
    else element.remove();
  }
  let next = list.firstElementChild;
  for (const item of items) {
    const element = present.get(item.key) ?? create(item);
    element.dataset.key = item.key;
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
    update(element, item);
  }
}
