/** A phone has room for one screen: the one that the address names. */

export function showOneScreen(tabs) {
  const links = [...tabs.querySelectorAll("a")];
  const show = () => {
    const current = links.find(({ hash }) => hash === location.hash) ?? links[0];
    for (const link of links) {
      const screen = document.querySelector(link.hash);
      screen.toggleAttribute("data-shown", link === current);
      if (link === current) link.ariaCurrent = "page";
      else link.removeAttribute("aria-current");
    }
    window.scrollTo(0, 0);
  };
  // Elements that stick above the tabs need their height, which depends on the text size.
  new ResizeObserver(() => {
    document.documentElement.style.setProperty("--tabs-height", `${tabs.offsetHeight}px`);
  }).observe(tabs);
  window.addEventListener("hashchange", show);
  show();
}
