/** The demo: three people's screens and what the server tells them, on one page. */

import { FloorScreen } from "./floor.js";
import { GuestScreen } from "./guest.js";
import { Log } from "./log.js";

const people = JSON.parse(document.getElementById("screens").textContent);
const rootOf = (name) => document.getElementById(name);
const log = new Log(rootOf("log"));
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
  document.title = count ? `(${count}) ${title}` : title;
}

for (const screen of [guest, ...floors]) screen.start();
