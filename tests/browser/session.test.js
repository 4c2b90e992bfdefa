// What becomes of open pages when a login ends; who needs none; and what happens when too many watch.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, test } from "node:test";
import { ADMIN, CONFIG, READER, Server, TOKENS, Visitor, audit, launch, row } from "./support.js";

const browser = await launch();
after(async () => { await browser.close(); });

const ENDED = [/\/stream|EventSource|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|status of 503/, /status of 403/];

/** A test with a server of its own. */
const served = (name, more, run) => test(name, async () => {
  const server = await Server.start(CONFIG + TOKENS + more);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
});

const logIn = async (visitor, token) => {
  const page = await visitor.go("/login");
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator(".sign.on").waitFor();
  return page;
};

served("a logout on one page ends all pages of that login, and nobody else's", "", async (server) => {
  const number = await server.incident({ title: "private" });
  const [visitor, other] = [await Visitor.open(browser, server), await Visitor.open(browser, server)];
  const list = await logIn(visitor, ADMIN);
  const page = await visitor.go(`/incidents/${number}`);
  await page.locator(".sign.on").waitFor();
  const stays = await logIn(other, READER);
  await list.getByRole("button", { name: "Log out" }).click();
  await list.getByLabel("Token").waitFor();
  await page.getByLabel("Token").waitFor();
  assert.match(page.url(), new RegExp(`/login\\?next=%2Fincidents%2F${number}$`));
  assert.ok(!(await page.content()).includes("private"));
  await row(stays, await server.incident({ title: "goes on" })).waitFor();
  await stays.locator(".sign.on").waitFor();
  await visitor.close(...ENDED);
  await other.close(...ENDED);
});

served("a page that is open when its session expires asks for a login", "[limits]\nstream_heartbeat = \"1s\"\n", async (server) => {
  const visitor = await Visitor.open(browser, server);
  const page = await logIn(visitor, ADMIN);
  await server.halt();
  const soon = "import sqlite3, sys, time; db = sqlite3.connect(sys.argv[1]); "
    + "db.execute('UPDATE session SET expires_at = ?', [int(time.time() * 1000) + 4000]); db.commit()";
  execFileSync("python3", ["-c", soon, join(server.folder, "store.db")]);
  await server.run();
  await page.getByLabel("Token").waitFor();
  assert.equal(new URL(page.url()).pathname, "/login");
  await audit(page);
  await visitor.close(...ENDED);
});

served("a page whose reader may read no more says so", "", async (server) => {
  const visitor = await Visitor.open(browser, server);
  const page = await logIn(visitor, READER);
  await server.reload(CONFIG + TOKENS.replace('scopes = ["incidents:read"]', 'scopes = ["services:read"]'));
  await page.getByRole("heading", { level: 1, name: "Not allowed" }).waitFor();
  await visitor.close(...ENDED);
});

served("what anybody may read is read without a login, which is offered", "[access]\nanonymous = [\"incidents:read\"]\n", async (server) => {
  const number = await server.incident({ title: "for everybody" });
  for (const javaScriptEnabled of [true, false]) {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    const page = await visitor.go(`/incidents/${number}`);
    await page.getByRole("heading", { level: 1, name: "for everybody" }).waitFor();
    assert.equal(await page.locator("main button").count(), 0);
    await audit(page);
    await page.getByRole("link", { name: "Log in" }).click();
    await page.getByLabel("Token").fill(ADMIN);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("button", { name: "Log out" }).waitFor();
    await page.goto(`${server.url}/incidents/${number}`);
    await page.getByRole("button", { name: "Comment" }).waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    await page.goto(server.url);
    assert.ok(await row(page, number).isVisible());
    assert.equal(await page.locator("main form[method=post] button").count(), 0);
    await visitor.close(...ENDED);
  }
});

served("who finds no room among those who watch is kept up to date, if more slowly", "[limits]\nstreams = 1\nstream_heartbeat = \"1s\"\n", async (server) => {
  const [first, second] = [await Visitor.open(browser, server), await Visitor.open(browser, server)];
  await logIn(first, ADMIN);
  const page = await second.go("/login");
  await page.getByLabel("Token").fill(READER);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("reconnecting", { exact: true }).waitFor();
  await row(page, await server.incident({ title: "later" })).waitFor();
  await first.close();
  await page.getByText("live", { exact: true }).waitFor();
  await second.close(...ENDED, /status of 503/);
});
