// The place in a list: kept when the page is left, for Back and a reload that load it again.

const KEY = "phoenix.place:";
const USER_MOVES = ["wheel", "touchmove", "keydown", "pointerdown"];

const key = () => [KEY + location.pathname + location.search, history.state?.q].join(" ").trim();

/** Whether the user came here by Back or a reload, after which the place is kept. */
export const isReturn = () => {
  const [navigation] = /** @type {any[]} */ (performance.getEntriesByType("navigation"));
  return ["back_forward", "reload"].includes(navigation?.type);
};

/** Keep what is at the top of the view, and how many creations were loaded. */
export function rememberPlace(list, countOf) {
  history.scrollRestoration = "manual"; // the browser would scroll over skeletons
  addEventListener("pagehide", () => {
    const isInView = (element) => element.getBoundingClientRect().bottom > 0 && element.offsetHeight;
    const first = [...list.querySelectorAll("[data-id]")].find(isInView);
    const place = {
      count: countOf(),
      id: first?.dataset.id,
      top: first?.getBoundingClientRect().top,
      isMoved: scrollY > 0,
    };
    sessionStorage.setItem(key(), JSON.stringify(place));
  });
}

/** Return where the user was, and how to show it; null on a first visit, or at the top. */
export function placeOf(list) {
  const place = JSON.parse(sessionStorage.getItem(key()) ?? "null");
  if (!isReturn() || !place?.id || !place.isMoved) return null;
  const moves = new AbortController();
  for (const each of USER_MOVES)
    addEventListener(each, () => moves.abort(), { once: true, passive: true, signal: moves.signal });
  const find = () => list.querySelector(`[data-id="${CSS.escape(place.id)}"]`);
  const show = () => {
    const element = find();
    if (element && !moves.signal.aborted)
      scrollBy({ top: element.getBoundingClientRect().top - place.top, behavior: "instant" });
    moves.abort();
  };
  return { count: place.count, isLoaded: () => find() !== null, show };
}
