/** The demo: three people's screens and the server's messages to them, on one page. */

import { FloorScreen } from "./floor.js";
import { GuestScreen } from "./guest.js";
import { Log } from "./log.js";
import { part, setText } from "./render.js";
import { showOneScreen } from "./tabs.js";

const people = JSON.parse(document.getElementById("screens").textContent);
const rootOf = (name) => document.getElementById(name);
const log = new Log(rootOf("log"));
const tabs = document.querySelector(".tabs");
const title = document.title;

const guest = new GuestScreen(rootOf("guest"), people.guest, log.for("guest"));
const floors = [["anna", "ben"], ["ben", "anna"]].map(
  ([name, other]) =>
    new FloorScreen(rootOf(name), people[name], log.for(name), {
      colleague: people[other],
      onUnseen: showUnseen,
    }),
);

function showUnseen() {
  const count = floors.reduce((sum, { unseenCount }) => sum + unseenCount, 0);
  for (const { id, unseenCount } of floors) {
    part(tabs, `${id}-badge`).hidden = unseenCount === 0;
    setText(part(tabs, `${id}-unseen`), String(unseenCount));
  }
  document.title = count ? `(${count}) ${title}` : title;
}

showOneScreen(tabs);
for (const screen of [guest, ...floors]) screen.start();
