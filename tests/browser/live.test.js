// What a script adds: pages that keep themselves up to date, and keys.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { PHONE, Server, Visitor, audit, launch, row, titles, until } from "./support.js";

let server, visitor;
const browser = await launch();
after(async () => { await browser.close(); });

// What a page asks of a server that is going is refused, or not answered.
const REFUSED = [/status of 503|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/];

/** A test with a server and a profile of its own. */
const live = (name, run, { options, expected = [] } = {}) => test(name, async () => {
  server = await Server.start();
  visitor = await Visitor.open(browser, server, options);
  try {
    await run();
    await visitor.close(...expected);
  } finally {
    await visitor.context.close();
    await server.stop();
  }
});

const opened = async (path = "/") => {
  const page = await visitor.go(path);
  await page.getByText("live", { exact: true }).waitFor();
  return page;
};

live("what is done on one page is seen on the other, which keeps its place", async () => {
  const numbers = [];
  for (let at = 0; at < 40; at += 1) numbers.push(await server.incident({ title: `incident ${at}` }));
  const [list, other] = [await opened(), await opened()];
  await row(list, numbers[5]).getByRole("checkbox").check();
  await list.getByLabel("Search").pressSequentially("half a wo");
  await list.evaluate(() => scrollTo(0, 400));
  await until(() => list.evaluate(() => scrollY), (at) => at === 400, "it has scrolled");
  await row(other, numbers[7]).getByRole("checkbox").check();
  await other.getByRole("button", { name: "Acknowledge chosen" }).click();
  await row(list, numbers[7]).locator(".status.investigating").waitFor();
  assert.equal(await list.evaluate(() => scrollY), 400);
  assert.ok(await row(list, numbers[5]).getByRole("checkbox").isChecked());
  assert.equal(await list.locator("#chosen").textContent(), "1 chosen");
  assert.equal(await list.getByLabel("Search").inputValue(), "half a wo");
  assert.ok(await list.getByLabel("Search").evaluate((field) => field === document.activeElement));
  await audit(list);
}, { options: { viewport: PHONE } });

live("an incident's page follows, and keeps what is being written", async () => {
  const number = await server.incident({ title: "watched", dedup_key: "w" });
  const [page, other] = [await opened(`/incidents/${number}`), await opened(`/incidents/${number}`)];
  await page.getByLabel("Comment").fill("I am just");
  await page.getByLabel("Why").fill("since it is");
  await page.getByLabel("Assigned to").fill("ada@example.org");
  await page.getByLabel("Status").selectOption("monitoring");
  // Nothing is focused: what is written stays all the same.
  await page.evaluate(() => document.activeElement.blur());
  await other.getByRole("button", { name: "Acknowledge" }).click();
  await page.locator("#head .status.investigating").waitFor();
  await page.locator("#timeline").getByText("acknowledged by local").waitFor();
  assert.equal(await page.getByLabel("Comment").inputValue(), "I am just");
  assert.equal(await page.getByLabel("Why").inputValue(), "since it is");
  assert.equal(await page.getByLabel("Assigned to").inputValue(), "ada@example.org");
  assert.equal(await page.getByLabel("Status").inputValue(), "monitoring");
  await page.getByRole("button", { name: "Acknowledge" }).waitFor({ state: "detached" });
  await other.getByLabel("Comment").fill("From the other page");
  await other.getByRole("button", { name: "Comment" }).click();
  await page.getByText("From the other page").waitFor();
  await server.incident({ title: "watched and worse", dedup_key: "w" });
  await page.getByRole("heading", { level: 1, name: "watched and worse" }).waitFor();
  await page.waitForFunction(() => document.title.includes("watched and worse"));
  await audit(page);
});

live("what is being edited stays while the rest follows", async () => {
  const number = await server.incident({ title: "edited", dedup_key: "e" });
  const page = await opened(`/incidents/${number}`);
  await page.getByText("Edit", { exact: true }).click();
  await page.getByLabel("Title").fill("half a tit");
  await server.incident({ title: "edited", dedup_key: "e", severity: "SEV0" });
  await page.locator("#head .severity.SEV0").waitFor();
  assert.equal(await page.getByLabel("Title").inputValue(), "half a tit");
  assert.ok(await page.getByLabel("Title").evaluate((field) => field === document.activeElement));
});

live("the focus stays where it is", async () => {
  const number = await server.incident({ title: "focused", dedup_key: "f" });
  const page = await opened(`/incidents/${number}`);
  const places = {
    button: page.getByRole("button", { name: "Resolve" }),
    summary: page.getByText("Edit", { exact: true }),
    page: page.getByRole("navigation", { name: "Pages", exact: true }).getByRole("link", { name: "Integrations" }),
  };
  for (const [name, place] of Object.entries(places)) {
    await place.focus();
    await server.incident({ title: `focused on ${name}`, dedup_key: "f" });
    await page.getByRole("heading", { level: 1, name: `focused on ${name}` }).waitFor();
    // The number beside it is part of what was exchanged.
    await server.incident({ title: `more for ${name}` });
    const open = Object.keys(places).indexOf(name) + 2;
    await page.waitForFunction((open) => document.title.startsWith(`(${open})`), open);
    assert.ok(await place.evaluate((element) => element === document.activeElement), name);
  }
});

live("title, icon and numbers follow what is open", async () => {
  const page = await opened();
  assert.equal(await page.title(), "Incidents · Firebell");
  assert.equal(await page.locator('link[rel="icon"]').getAttribute("href"), "/favicon/0.svg");
  const follows = async (open) => {
    await page.waitForFunction((open) => document.title === `${open ? `(${open}) ` : ""}Incidents · Firebell`, open);
    const icon = await page.locator('link[rel="icon"]').getAttribute("href");
    assert.equal(icon, `/favicon/${open}.svg`);
    const answer = await visitor.context.request.get(server.url + icon);
    assert.equal(answer.headers()["content-type"], "image/svg+xml");
    if (open) assert.ok((await answer.text()).includes(`>${open}<`));
  };
  const number = await server.incident({ title: "first", dedup_key: "1" });
  await follows(1);
  await server.incident({ title: "second" });
  await follows(2);
  assert.match(await page.getByRole("link", { name: /^Incidents/ }).textContent(), /2/);
  await server.incident({ title: "first", dedup_key: "1", status: "resolved" });
  await follows(1);
  await row(page, number).waitFor({ state: "detached" });
});

for (const path of ["/overview", "/integrations", "/integrations/local", "/services"]) {
  live(`title and icon of ${path} follow what is open, too, and nothing else of it`, async () => {
    const page = await visitor.go(path);
    const bare = await page.title();
    await page.evaluate(() => { window.stays = document.querySelector("main h1"); });
    const link = page.getByRole("navigation", { name: "Pages", exact: true }).getByRole("link", { name: /^Incidents/ });
    await link.focus();
    const asked = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    const follows = async (open) => {
      await page.waitForFunction((title) => document.title === title, `${open ? `(${open}) ` : ""}${bare}`);
      assert.equal(await page.locator('link[rel="icon"]').getAttribute("href"), `/favicon/${open}.svg`);
      assert.equal(await link.textContent(), open ? `Incidents ${open}` : "Incidents");
    };
    await follows(0);
    await server.incident({ title: "first", dedup_key: "1" });
    await follows(1);
    await server.incident({ title: "second", dedup_key: "2" });
    await follows(2);
    await audit(page);
    await server.incident({ title: "first", dedup_key: "1", status: "resolved" });
    await follows(1);
    await server.incident({ title: "second", dedup_key: "2", status: "resolved" });
    await follows(0);
    assert.ok(await page.evaluate(() => window.stays?.isConnected));
    assert.ok(await link.evaluate((element) => element === document.activeElement));
    // An overview of many incidents is dear.
    assert.ok(!asked.includes(path) && asked.includes("/open"), asked.join());
    // What does not follow is not called live.
    assert.ok(await page.locator("#sign").isHidden());
  });
}

live("a page whose incident is gone says so", async () => {
  const number = await server.incident({ title: "kept for too long" });
  const [page, list] = [await opened(`/incidents/${number}`), await opened()];
  await server.halt();
  const forget = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('DELETE FROM incident'); db.commit()";
  execFileSync("python3", ["-c", forget, join(server.folder, "store.db")]);
  await server.run();
  const other = await server.incident({ title: "what is there now" });
  assert.notEqual(other, number);
  await page.getByRole("heading", { level: 1, name: "Not found" }).waitFor();
  assert.match(await page.locator("main").textContent(), /incident/);
  assert.ok(!(await page.content()).includes("kept for too long"));
  await audit(page);
  await row(list, other).waitFor();
  assert.equal(await row(list, number).count(), 0);
}, { expected: REFUSED });

live("what comes to an empty list can be acted on", async () => {
  const page = await opened();
  await page.getByText("Nothing is open.").waitFor();
  assert.ok(await page.getByRole("button", { name: "Acknowledge chosen" }).isHidden());
  await audit(page);
  const number = await server.incident({ title: "out of nothing" });
  await row(page, number).getByRole("checkbox").check();
  await page.getByRole("button", { name: "Acknowledge chosen" }).click();
  await row(page, number).locator(".status.investigating").waitFor();
});

live("the sign says whether the page is up to date, and it catches up after a restart", async () => {
  const number = await server.incident({ title: "before", dedup_key: "b" });
  const page = await opened();
  await server.halt();
  await page.getByText("reconnecting", { exact: true }).waitFor();
  await audit(page);
  assert.ok(await row(page, number).isVisible());
  await server.run();
  const later = await server.incident({ title: "while away" });
  await row(page, later).waitFor();
  await page.getByText("live", { exact: true }).waitFor();
}, { expected: REFUSED });

live("a page that was refused for a while catches up", async () => {
  const page = await visitor.page();
  let refused = true;
  await page.route("**/stream?*", (route) => (refused ? route.fulfill({ status: 502, body: "" }) : route.fallback()));
  await page.goto(server.url);
  await page.getByText("reconnecting", { exact: true }).waitFor();
  const number = await server.incident({ title: "behind a proxy" });
  refused = false;
  await page.getByText("live", { exact: true }).waitFor();
  await row(page, number).waitFor();
}, { expected: [/502/] });

live("keys choose, open and act", async () => {
  const numbers = [];
  for (const severity of ["SEV2", "SEV1", "SEV0"]) numbers.unshift(await server.incident({ title: severity, severity }));
  const page = await opened();
  assert.deepEqual(await titles(page), ["SEV0", "SEV1", "SEV2"]);
  const at = () => page.locator(".row.at").getAttribute("data-number");
  await page.keyboard.press("j");
  assert.equal(await at(), numbers[0]);
  await page.keyboard.press("j");
  assert.equal(await at(), numbers[1]);
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  assert.equal(await at(), numbers[2]);
  await page.keyboard.press("k");
  assert.equal(await at(), numbers[1]);
  await page.keyboard.press("x");
  assert.ok(await row(page, numbers[1]).getByRole("checkbox").isChecked());
  await page.keyboard.press("x");
  assert.ok(!(await row(page, numbers[1]).getByRole("checkbox").isChecked()));
  await page.keyboard.press("a");
  await row(page, numbers[1]).locator(".status.investigating").waitFor();
  assert.equal(await page.locator(".status.new").count(), 2);
  await page.getByText("live", { exact: true }).waitFor();
  // One is where one was.
  assert.equal(await at(), numbers[1]);
  for (const key of ["x", "k", "x", "r"]) await page.keyboard.press(key);
  await row(page, numbers[1]).waitFor({ state: "detached" });
  assert.deepEqual(await titles(page), ["SEV2"]);
  // In the place of what has gone is the next.
  await page.keyboard.press("j");
  assert.equal(await at(), numbers[2]);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "SEV2" }).waitFor();
  await page.keyboard.press("c");
  assert.ok(await page.getByLabel("Comment").evaluate((field) => field === document.activeElement));
  await page.keyboard.type("jkxarc/?i");
  assert.equal(await page.getByLabel("Comment").inputValue(), "jkxarc/?i");
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("a");
  await page.locator("#head .status.investigating").waitFor();
  await page.keyboard.press("r");
  await page.locator("#head .status.resolved").waitFor();
  await page.keyboard.press("i");
  await page.getByText("Nothing is open.").waitFor();
});

live("keys do nothing while one types, and help is at hand", async () => {
  const number = await server.incident({ title: "untouched" });
  const page = await opened();
  await page.keyboard.press("/");
  assert.ok(await page.getByLabel("Search").evaluate((field) => field === document.activeElement));
  await page.keyboard.type("jkxarci?/");
  assert.equal(await page.getByLabel("Search").inputValue(), "jkxarci?/");
  assert.equal(await page.locator(".row.at").count(), 0);
  assert.equal((await server.api(number)).status, "new");
  await page.getByLabel("Service").focus();
  await page.keyboard.press("x");
  await page.keyboard.press("?");
  assert.ok(await page.locator("#keys").isHidden());
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("Control+a");
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await audit(page);
  await page.keyboard.press("j");
  assert.equal(await page.locator(".row.at").count(), 0);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "hidden" });
  assert.equal((await server.api(number)).status, "new");
});

live("keys can be switched off, and stay so", async () => {
  const number = await server.incident({ title: "safe" });
  const page = await opened();
  await page.getByRole("button", { name: "Keys" }).click();
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.getByLabel("Keys are on").uncheck();
  await audit(page);
  await page.getByRole("button", { name: "Close" }).click();
  for (const where of ["/", `/incidents/${number}`]) {
    await page.goto(server.url + where);
    for (const key of ["j", "a", "r", "?"]) await page.keyboard.press(key);
    assert.ok(await page.locator("#keys").isHidden());
  }
  assert.equal((await server.api(number)).status, "new");
  await page.getByRole("button", { name: "Keys" }).click();
  await page.getByLabel("Keys are on").check();
  await page.keyboard.press("Escape");
  await page.keyboard.press("r");
  await page.locator("#head .status.resolved").waitFor();
}, { options: { viewport: PHONE } });

live("what happens while the page is on its way is seen all the same", async () => {
  const first = await server.incident({ title: "first" });
  const page = await opened();
  let late;
  await page.route((url) => url.pathname === "/", async (route) => {
    const answer = await route.fetch();
    if (!late) {
      late = await server.incident({ title: "too late for that answer" });
      // It is told at once; nothing on the page says when.
      await new Promise((done) => setTimeout(done, 500));
    }
    await route.fulfill({ response: answer });
  });
  const second = await server.incident({ title: "second" });
  await row(page, second).waitFor();
  await until(async () => late, Boolean, "the page was fetched");
  await row(page, late).waitFor();
  assert.ok(await row(page, first).isVisible());
});

live("many pages of one browser are live at once, whichever of them is closed", async () => {
  const pages = [];
  for (let at = 0; at < 8; at += 1) pages.push(await opened());
  const everywhere = async (title) => {
    const number = await server.incident({ title });
    for (const page of pages) await row(page, number).waitFor();
  };
  await everywhere("on all of them");
  await pages.shift().close();
  await everywhere("on all that are left");
  await server.halt();
  for (const page of pages) await page.getByText("reconnecting", { exact: true }).waitFor();
  await server.run();
  for (const page of pages) await page.getByText("live", { exact: true }).waitFor();
  await everywhere("after a restart");
}, { expected: REFUSED });

live("without a place to settle it, a page that is not seen does not listen, and catches up", async () => {
  await visitor.context.addInitScript(() => {
    Object.defineProperty(Navigator.prototype, "locks", { value: undefined });
    Object.defineProperty(Document.prototype, "hidden", { get: () => window.away === true });
  });
  const page = await opened();
  const look = (away) => page.evaluate((away) => {
    window.away = away;
    document.dispatchEvent(new Event("visibilitychange"));
  }, away);
  const ended = page.waitForEvent("requestfailed", (request) => request.url().includes("/stream"));
  await look(true);
  await ended;
  const number = await server.incident({ title: "unseen" });
  assert.equal(await row(page, number).count(), 0);
  await look(false);
  await row(page, number).waitFor();
});

live("times are said in the zone of the viewer", async () => {
  const number = await server.incident({ title: "timed" });
  const page = await opened(`/incidents/${number}`);
  const time = page.locator("#head time");
  assert.match(await time.getAttribute("title"), /GMT\+5:45/);
  assert.match(await time.textContent(), /now|s ago/);
}, { options: { timezoneId: "Asia/Kathmandu", locale: "en-US" } });
