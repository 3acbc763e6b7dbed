/** The demo: the screens that this page shows, and the server's messages to them. */

import { FloorScreen } from "./floor.js";
import { GuestScreen } from "./guest.js";
import { KitchenScreen } from "./kitchen.js";
import { Log } from "./log.js";
import { part, setText } from "./render.js";
import { showOneScreen } from "./tabs.js";
import { WaiterScreen } from "./waiter.js";

const KINDS = {
  guest: GuestScreen, waiter: WaiterScreen, floor: FloorScreen, kitchen: KitchenScreen,
};
const people = JSON.parse(document.getElementById("screens").textContent);
// Only the page with all screens has a log, and tabs.
const logRoot = document.getElementById("log");
const log = logRoot && new Log(logRoot);
const tabs = document.querySelector(".tabs");
const title = document.title;

const screens = people.map((person) => {
  const root = document.getElementById(person.name);
  const logged = log?.for(person.name) ?? (() => {});
  return [person.name, new KINDS[person.kind](root, person, logged, showUnseen)];
});

function showUnseen() {
  let count = 0;
  for (const [name, { unseenCount }] of screens) {
    count += unseenCount;
    if (!tabs) continue;
    part(tabs, `${name}-badge`).hidden = unseenCount === 0;
    setText(part(tabs, `${name}-unseen`), String(unseenCount));
  }
  document.title = count ? `(${count}) ${title}` : title;
}

if (tabs) showOneScreen(tabs);
for (const [, screen] of screens) screen.start();
