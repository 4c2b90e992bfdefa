// What the pages do beyond what they do without a script: they keep themselves up to date, take keys, and copy.
"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // --- Times, in the viewer's zone ------------------------------------------------------------------------
  const format = (dateStyle, timeStyle) => new Intl.DateTimeFormat(undefined, { dateStyle, timeStyle });
  const zoned = format("medium", "long");
  const exact = format("medium", "medium");
  const clock = format(undefined, "short");
  const dated = format("medium", "short");
  const isToday = (at) => new Date(at).toDateString() === new Date().toDateString();
  const ago = (at) => {
    const seconds = Math.floor((Date.now() - at) / 1000);
    if (seconds < 5) return "now";
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    return `${Math.floor(seconds / 86400)} d ago`;
  };
  const tell = (root = document) => {
    for (const time of all("time[datetime]", root)) {
      const at = Date.parse(time.dateTime);
      time.title = zoned.format(at);
      time.textContent = "exact" in time.dataset ? exact.format(at) : ago(at);
    }
    for (const run of all("[data-from]", root)) {
      const [from, to] = [run.dataset.from, run.dataset.to].map(Date.parse);
      run.title = zoned.formatRange(from, to);
      run.textContent = (isToday(from) && isToday(to) ? clock : dated).formatRange(from, to);
    }
  };
  tell();
  setInterval(tell, 20000);

  // The fields for times are the viewer's; the address has what the API takes, and nothing that is empty.
  const times = all("[data-at]");
  for (const field of times) {
    const at = Date.parse(field.dataset.at);
    if (at) field.value = new Date(at - new Date(at).getTimezoneOffset() * 60000).toISOString().slice(0, -1);
    field.dataset.was = field.value;
  }
  for (const zone of all("[data-utc]")) zone.remove();
  $(".filters")?.addEventListener("formdata", ({ formData }) => {
    for (const { name, value, dataset } of times) {
      if (value) formData.set(name, value === dataset.was ? dataset.at : new Date(value).toISOString().replace(".000", ""));
    }
    for (const [name, value] of [...formData]) if (!value) formData.delete(name);
  });

  // --- What has changed, as it changes --------------------------------------------------------------------
  // The page is fetched anew and its live parts are put in place of the old ones: what is chosen, focused or being
  // written stays.
  // Where one is in the list, by number and by place; after acting on it, too.
  const storage = (name) => { try { return window[name]; } catch { return {}; } };
  const [passing, lasting] = ["sessionStorage", "localStorage"].map(storage);
  let [cursor = null, place = 0] = JSON.parse(passing.firebell ?? "[]");
  delete passing.firebell;
  const chosen = () => all('input[name="number"]:checked').map((box) => box.value);
  const isLive = $("[data-live]") !== null;
  const renew = async () => {
    // Where nothing but the frame follows, the number in it is enough.
    const answer = await fetch(isLive ? location.href : "/open", { headers: { accept: "text/html" } });
    // The login has ended, or what it allows, or the incident: the page itself tells. (Not by a reload, which would send
    // a form again.)
    const over = answer.redirected && new URL(answer.url).pathname === "/login";
    if (over || [403, 404].includes(answer.status)) return location.replace(location.pathname + location.search);
    if (!answer.ok) return;
    if (!isLive) return frame(Number(await answer.text()));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const kept = new Set(chosen());
    for (const part of all("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next || next.innerHTML === part.dataset.was) continue;
      // What is in use is exchanged when it no longer is.
      const field = part.contains(document.activeElement) && document.activeElement.matches(FIELDS);
      const unfolded = $("details[open]", part);
      if (field) part.addEventListener("focusout", soon, { once: true });
      if (unfolded) unfolded.addEventListener("toggle", soon, { once: true });
      // What was refused stands there with the reason.
      if (field || unfolded || $("[data-refused]", part)) continue;
      part.dataset.was = next.innerHTML;
      exchange(part, next);
    }
    for (const box of all('input[name="number"]')) box.checked = kept.has(box.value);
    tell();
    mark();
    count();
    document.title = fresh.title;
    $('link[rel="icon"]').replaceWith($('link[rel="icon"]', fresh));
    exchange($(".top nav"), $(".top nav", fresh));
  };
  const frame = (open) => {
    document.title = (open ? `(${open}) ` : "") + document.title.replace(/^\(\d+\) /, "");
    const icon = $('link[rel="icon"]');
    icon.replaceWith(Object.assign(icon.cloneNode(), { href: `/favicon/${open}.svg` }));
    const count = Object.assign(document.createElement("span"), { className: "count", textContent: open });
    $(".top nav a").replaceChildren("Incidents", ...(open ? [" ", count] : []));
  };
  const FIELDS = "input:not([type=checkbox], [type=hidden]), textarea, select";
  const exchange = (part, next) => {
    const focused = part.contains(document.activeElement) ? placeOf(document.activeElement) : null;
    const written = all(FIELDS, part).filter(isWritten).map((field) => [placeOf(field), field.value]);
    part.replaceChildren(...next.childNodes);
    for (const [place, value] of written) {
      const field = $(place, part);
      if (field && (!field.options || [...field.options].some((option) => option.value === value))) field.value = value;
    }
    if (focused) ($(focused, part) ?? $("#main")).focus({ preventScroll: true });
  };
  // Whether a field says something else than when it came.
  const isWritten = (field) => {
    if (!field.options) return field.value !== field.defaultValue;
    const first = [...field.options].find((option) => option.defaultSelected) ?? field.options[0];
    return first && !first.selected;
  };
  const placeOf = (element) => {
    const told = (name) => element.getAttribute(name);
    const name = element.matches(FIELDS) ? "name" : ["value", "href"].find(told);
    return name ? `${element.localName}[${name}="${CSS.escape(told(name))}"]` : element.localName;
  };

  const sign = $("#sign");
  const say = (on) => {
    // It is about what the page shows.
    sign.hidden = !isLive;
    sign.className = `sign ${on ? "on" : "off"}`;
    sign.textContent = on ? "live" : "reconnecting";
  };
  // Not for each of many: an alarm storm must not make every open page ask for itself all the time. What happens while
  // the page is on its way may not be on it.
  let due = false;
  let again = false;
  const soon = () => {
    again = due;
    if (due) return;
    due = true;
    setTimeout(() => {
      again = false;
      renew().catch(() => {}).finally(() => { due = false; if (again) soon(); });
    }, 400);
  };

  // A browser opens six connections to a server for all of its pages: one of them listens, and tells the others. Where
  // that cannot be settled between them (without https), those that are not seen do not listen.
  const channel = new BroadcastChannel("firebell");
  let source = null;
  let retry = 0;
  let waiting;
  let release = () => {};
  // The newest change that is on this page.
  let known = Number($("main").dataset.place);
  let on = false;
  const hear = (told) => {
    if (told.ask) return source && channel.postMessage({ on, at: known });
    on = told.on;
    say(on);
    if (told.changed || told.at > known) soon();
    known = Math.max(known, told.at);
  };
  const pass = (told) => { hear(told); channel.postMessage(told); };
  const watch = () => {
    source = new EventSource(`/stream?last_event_id=${known}`);
    const happened = (event) => pass({ on: true, at: Number(event.lastEventId), changed: true });
    source.onopen = () => pass({ on: true, at: known });
    source.onerror = () => {
      // A refusal ends it for good; whoever refused may have been restarting. Or the login has ended, as the page tells.
      const closed = source.readyState === EventSource.CLOSED;
      pass({ on: false, at: known, changed: closed });
      if (closed) retry = setTimeout(watch, 3000);
    };
    source.addEventListener("incident", happened);
    source.addEventListener("reset", happened);
  };
  const begin = () => {
    if (!navigator.locks) return document.hidden || watch();
    waiting = new AbortController();
    const listen = () => new Promise((done) => { release = done; watch(); });
    navigator.locks.request("firebell", { signal: waiting.signal }, listen).catch(() => {});
  };
  const end = () => {
    source?.close();
    source = null;
    clearTimeout(retry);
    waiting?.abort();
    release();
  };
  if ("watch" in ($("main")?.dataset ?? {})) {
    for (const part of all("[data-live]")) part.dataset.was = part.innerHTML;
    channel.onmessage = (event) => hear(event.data);
    channel.postMessage({ ask: true });
    begin();
    addEventListener("pagehide", end);
    addEventListener("pageshow", (event) => { if (event.persisted) { begin(); soon(); } });
    if (!navigator.locks) document.addEventListener("visibilitychange", () => (document.hidden ? end() : begin()));
  }

  // --- Choosing -------------------------------------------------------------------------------------------
  const rows = () => all(".row");
  const count = () => {
    const place = $("#chosen");
    if (place) place.textContent = chosen().length ? `${chosen().length} chosen` : "";
    const every = $("#all");
    if (every) every.checked = rows().length > 0 && chosen().length === rows().length;
  };
  const mark = () => {
    for (const row of rows()) row.classList.toggle("at", row.dataset.number === cursor);
  };
  const every = $("#all");
  if (every) {
    every.parentElement.hidden = false;
    every.addEventListener("change", () => {
      for (const box of all('input[name="number"]')) box.checked = every.checked;
      count();
    });
  }
  document.addEventListener("change", count);
  const go = (step) => {
    const list = rows();
    if (!list.length) return;
    const at = list.findIndex((row) => row.dataset.number === cursor);
    // In the place of one that has gone is the next.
    const from = at >= 0 ? at : place - (step > 0);
    place = Math.min(Math.max(from + step, 0), list.length - 1);
    const row = list[place];
    cursor = row.dataset.number;
    mark();
    $(".title", row).focus();
    row.scrollIntoView({ block: "nearest" });
  };

  $("#list")?.addEventListener("submit", () => { passing.firebell = JSON.stringify([cursor, place]); });
  mark();
  $(".row.at")?.scrollIntoView({ block: "nearest" });

  // --- Keys -----------------------------------------------------------------------------------------------
  const press = (what) => {
    const form = $("#list");
    if (!form) return $(`[data-key="${what[0]}"]`)?.click();
    if (!chosen().length && cursor) {
      const box = $(`input[value="${CSS.escape(cursor)}"]`);
      if (box) box.checked = true;
    }
    if (chosen().length) $(`button[value="${what}"]`, form)?.click();
  };
  const keys = {
    j: () => go(1),
    k: () => go(-1),
    x: () => {
      const box = cursor && $(`input[value="${CSS.escape(cursor)}"]`);
      if (box) { box.checked = !box.checked; count(); }
    },
    a: () => press("acknowledge"),
    r: () => press("resolve"),
    c: () => $("#comment")?.focus(),
    i: () => location.assign("/"),
    "/": () => $('input[type="search"]')?.focus(),
    "?": () => $("#keys").showModal(),
  };
  // Who speaks to the computer, or strikes keys by mistake, switches them off.
  const keysOn = $("#keys-on");
  keysOn.checked = lasting.firebellKeys !== "off";
  keysOn.addEventListener("change", () => { lasting.firebellKeys = keysOn.checked ? "on" : "off"; });
  const help = $("#help");
  help.hidden = false;
  help.addEventListener("click", keys["?"]);
  document.addEventListener("keydown", (event) => {
    if (!keysOn.checked) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, dialog")) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // --- Copying --------------------------------------------------------------------------------------------
  for (const button of all("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    });
  }
})();
